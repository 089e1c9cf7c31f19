"""The operator's commands for users and keys: `create_user`, `create_api_key`, `revoke_api_key`."""

import io
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing.models import AuditRecord, OutgoingMail, Wallet
from billing.staff import acts
from reveweb.run import demo
from tests.conftest import PASSWORD


def run(*arguments: str) -> str:
    """Run a command as typed and return what it prints; the other stream must stay silent."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def refused(*arguments: str) -> str:
    """Run a command that must fail; return its error, which is one line, with nothing printed before it."""
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, stdout=out)
    assert out.getvalue() == ""
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


# --- create_user -----------------------------------------------------------------------------------------------


def test_create_user_creates_somebody_who_can_log_in(transactional_db: None) -> None:
    printed = run("create_user", "Alice@Example.com", "--password", "correct horse")
    assert printed == "Created alice@example.com, a confirmed address: they log in with the password.\n"
    alice = User.objects.get()
    assert alice.check_password("correct horse")
    assert alice.is_active
    assert not alice.is_staff
    assert not alice.is_superuser


def test_create_user_without_a_password_leaves_setting_one_to_them(transactional_db: None) -> None:
    run("create_user", "alice@example.com")
    assert not User.objects.get().has_usable_password()


def test_create_user_makes_staff_on_request(transactional_db: None) -> None:
    run("create_user", "sam@example.com", "--staff")
    sam = User.objects.get()
    assert sam.is_staff
    assert sam.is_superuser


@pytest.mark.parametrize("command", ["create_user", "createsuperuser"])
def test_the_first_operator_logs_in_without_any_mail(
    transactional_db: None, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    if command == "create_user":
        run("create_user", "Sam@example.com", "--staff", "--password", PASSWORD)
    else:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        call_command("createsuperuser", "--noinput", "--email", "Sam@example.com", stdout=io.StringIO())
    answer = client.post("/accounts/login/?next=/admin/", {"login": "sam@example.com", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200
    assert not OutgoingMail.objects.exists()


def test_the_demo_account_logs_in_where_addresses_are_to_be_confirmed(
    transactional_db: None, client: Client, settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    demo.describe_running("http://localhost:8000")
    client.post("/accounts/login/", {"login": demo.EMAIL, "password": demo.PASSWORD})
    assert client.get("/create/").status_code == 200


@pytest.mark.services
def test_an_address_that_is_confirmed_as_anothers_makes_no_user(alice: User) -> None:
    EmailAddress.objects.create(user=alice, email="new@example.com", verified=True)
    assert "has an account already" in refused("create_user", "new@example.com")
    assert list(User.objects.all()) == [alice]


@pytest.mark.services
@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@EXAMPLE.COM"])
def test_create_user_refuses_an_email_that_is_taken(alice: User, email: str) -> None:
    assert "has an account already" in refused("create_user", email, "--password", "another password")
    alice.refresh_from_db()
    assert User.objects.count() == 1
    assert not alice.check_password("another password")


@pytest.mark.services
@pytest.mark.parametrize(
    "email", ["alice", "alice@", "", "a b@example.com", "a\n@example.com", f"{'a' * 250}@example.com"]
)
def test_create_user_refuses_what_is_no_email(transactional_db: None, email: str) -> None:
    assert "is not an email address" in refused("create_user", email)
    assert not User.objects.exists()


# --- create_api_key --------------------------------------------------------------------------------------------


def test_create_api_key_prints_only_the_secret(alice: User) -> None:
    printed = run("create_api_key", "alice@example.com")
    assert printed.count("\n") == 1
    key = keys.verify(printed.strip())
    assert key.user == alice
    assert key.rate_limit is None


def test_create_api_key_takes_a_name_and_a_limit(alice: User) -> None:
    run("create_api_key", "Alice@Example.COM", "--name", " Nightly ", "--rate-limit", "250")
    key = ApiKey.objects.get()
    assert (key.name, key.rate_limit) == ("Nightly", 250)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nobody@example.com"], "Nobody is registered as nobody@example.com"),
        (["alice@example.com", "--rate-limit", "0"], "--rate-limit"),
        (["alice@example.com", "--rate-limit", "-1"], "--rate-limit"),
        (["alice@example.com", "--rate-limit", "1000001"], "--rate-limit"),
        (["alice@example.com", "--rate-limit", "many"], "--rate-limit"),
        (["alice@example.com", "--name", " "], "--name"),
        (["alice@example.com", "--name", "n" * 81], "--name"),
        ([], "email"),
    ],
)
def test_create_api_key_refuses_in_one_line_and_makes_nothing(
    alice: User, arguments: list[str], complaint: str
) -> None:
    assert complaint in refused("create_api_key", *arguments)
    assert not ApiKey.objects.exists()
    assert not Wallet.objects.exists()


# --- revoke_api_key --------------------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("whole", [False, True])
def test_revoke_api_key_takes_the_prefix_or_the_whole_key(alice: User, whole: bool) -> None:
    key, secret = keys.mint(user=alice, name="test")
    _, other = keys.mint(user=alice, name="other")
    assert run("revoke_api_key", secret if whole else key.prefix) == f"Revoked {key.prefix} of alice@example.com.\n"
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)
    assert keys.verify(other)


def test_revoke_api_key_says_when_that_was_done_already(alice: User) -> None:
    key, _ = keys.mint(user=alice, name="test")
    run("revoke_api_key", key.prefix)
    revoked_at = ApiKey.objects.get().revoked_at
    assert f"was revoked on {timezone.now():%Y-%m-%d}" in run("revoke_api_key", key.prefix)
    assert ApiKey.objects.get().revoked_at == revoked_at


def test_revoke_api_key_leaves_the_record_that_the_admin_leaves(alice: User) -> None:
    key, _ = keys.mint(user=alice, name="test")
    run("revoke_api_key", key.prefix)
    run("revoke_api_key", key.prefix)
    record = AuditRecord.objects.get()  # one: the second time nothing was revoked
    assert record.wallet
    assert (record.action, record.actor, record.wallet.user) == (acts.Act.REVOKE.value, None, alice)
    assert (record.before, record.after) == ({"live": [key.prefix]}, {"revoked": [key.prefix]})
    assert record.reason == "Revoked on the command line"


@pytest.mark.parametrize("prefix", ["rv_00000000", "rv_", "", "%", "rv_________"])
def test_revoke_api_key_refuses_an_unknown_prefix(alice: User, prefix: str) -> None:
    keys.mint(user=alice, name="test")
    assert "No API key begins with" in refused("revoke_api_key", prefix)
    assert ApiKey.objects.get().revoked_at is None


def test_revoke_api_key_never_revokes_by_a_shared_beginning(alice: User) -> None:
    key, _ = keys.mint(user=alice, name="test")
    refused("revoke_api_key", key.prefix[:10])
    assert ApiKey.objects.get().revoked_at is None


def test_no_error_shows_a_secret(alice: User) -> None:
    key, secret = keys.mint(user=alice, name="test")
    key.delete()
    assert secret[12:] not in refused("revoke_api_key", secret)


@pytest.mark.services
def test_users_are_found_in_whatever_case_their_email_is_written(alice: User) -> None:
    found: Any = User.objects.find(" ALICE@example.com ")
    assert found == alice
    assert User.objects.find("alice@example.org") is None
