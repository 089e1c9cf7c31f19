"""Somebody signs up with another's address: nothing that they made opens the account once its owner has shown up."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Wallet
from billing.outbox import mail as mails
from reveweb.login import proof
from reveweb.login.adapters import SocialAdapter
from tests.conftest import PASSWORD
from tests.pages.test_frame import assert_well_made

CAROL = "carol@example.com"
THEIRS = "the stranger's password"
NEW = "a much newer password"


@pytest.fixture(autouse=True)
def _tables(transactional_db: None) -> None:
    """What a transaction does is seen as it is."""


@pytest.fixture
def mandatory(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def optional(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"


@pytest.fixture
def stranger(optional: None) -> Client:
    """Somebody who has signed up as Carol where one may log in at once, and has made whatever opens the account."""
    client = sign_up(Client(), THEIRS)
    carol = User.objects.get(email=CAROL)
    TOTP.activate(carol, "JBSWY3DPEHPK3PXP")
    Authenticator.objects.create(user=carol, type=Authenticator.Type.WEBAUTHN, data={"name": "x"})
    Authenticator.objects.create(user=carol, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x"})
    SocialAccount.objects.create(user=carol, provider="google", uid="stranger")
    EmailAddress.objects.create(user=carol, email="stranger@example.com")
    assert client.get("/account/").status_code == 200
    return client


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice, logged in."""
    client = Client()
    client.force_login(alice)
    return client


def sign_up(client: Client, password: str = PASSWORD, email: str = CAROL, network: str = "192.0.2.1") -> Client:
    form = {"email": email, "password1": password}
    assert client.post("/accounts/signup/", form, REMOTE_ADDR=network).status_code == 302
    return client


def log_in(client: Client, password: str) -> bool:
    client.post("/accounts/login/", {"login": CAROL, "password": password})
    return "_auth_user_id" in client.session


def links(pattern: str = r"/confirm-email/", to: str = CAROL) -> list[str]:
    """Send what is due, and return the paths of all the links of a kind that somebody was sent."""
    mails.send_due()
    texts = [str(message.body) for message in mail.outbox if message.to == [to]]
    return [link for text in texts for link in re.findall(rf"http://testserver(\S+{pattern}\S+)", text)]


def choose_password(client: Client, answer: Any) -> Any:
    """Go on from where an answer leads, to the page for a new password, and choose one."""
    address = client.get(answer["Location"])["Location"]
    return client.post(address, {"password1": NEW, "password2": NEW})


def by_the_link(owner: Client) -> None:
    choose_password(owner, owner.post(links()[-1], {"new_password": "1"}))


def by_a_reset(owner: Client) -> None:
    owner.post("/accounts/password/reset/", {"email": CAROL})
    choose_password(owner, {"Location": links("/password/reset/key/")[-1]})


WAYS = pytest.mark.parametrize("show_up", [by_the_link, by_a_reset])


# --- What was made before the address was proven ends -----------------------------------------------------------


@WAYS
def test_a_strangers_password_ends(stranger: Client, client: Client, show_up: Callable[[Client], None]) -> None:
    show_up(client)
    assert not log_in(Client(), THEIRS)
    assert log_in(client, NEW)


@pytest.mark.services
@WAYS
def test_a_strangers_api_keys_end(stranger: Client, client: Client, show_up: Callable[[Client], None]) -> None:
    secret = keys.mint(user=User.objects.get(email=CAROL), name="theirs")[1]
    assert keys.verify(secret)
    show_up(client)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)


@WAYS
def test_a_strangers_second_factors_passkeys_and_connections_end(
    stranger: Client, client: Client, show_up: Callable[[Client], None]
) -> None:
    show_up(client)
    assert not Authenticator.objects.exists()
    assert not SocialAccount.objects.exists()
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(CAROL, True)]


@WAYS
def test_a_strangers_browser_is_logged_out(stranger: Client, client: Client, show_up: Callable[[Client], None]) -> None:
    show_up(client)
    assert stranger.get("/account/").status_code == 302


@WAYS
def test_what_was_paid_for_stays(stranger: Client, client: Client, show_up: Callable[[Client], None]) -> None:
    wallet = Wallet.objects.get(user__email=CAROL)
    had = wallet.balance
    show_up(client)
    wallet.refresh_from_db()
    assert (wallet.balance, wallet.user.email) == (had, CAROL)


def test_the_page_says_what_ends(stranger: Client, client: Client) -> None:
    asked = client.get(client.post(links()[-1], {"new_password": "1"})["Location"], follow=True)
    assert "Nobody had confirmed this address yet" in asked.content.decode()


def test_a_reset_ends_nothing_of_an_account_that_is_proven(client: Client, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=True)
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    secret = keys.mint(user=alice, name="hers")[1]
    client.post("/accounts/password/reset/", {"email": alice.email})
    asked = client.get(links("/password/reset/key/", alice.email)[-1], follow=True)
    assert "Nobody had confirmed" not in asked.content.decode()
    client.post(asked.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert keys.verify(secret)
    assert Authenticator.objects.filter(user=alice).exists()


def test_a_reset_confirms_and_ends_nothing_of_an_account_that_an_operator_made(client: Client, alice: User) -> None:
    secret = keys.mint(user=alice, name="made by the operator")[1]
    client.post("/accounts/password/reset/", {"email": alice.email})
    choose_password(client, {"Location": links("/password/reset/key/", alice.email)[-1]})
    assert keys.verify(secret)
    assert EmailAddress.objects.get(user=alice).verified


# --- A link confirms where its sign-up was ----------------------------------------------------------------------


def test_the_browser_that_signed_up_confirms_at_once(client: Client, mandatory: None) -> None:
    sign_up(client)
    assert client.post(links()[-1])["Location"] == "/accounts/login/"
    assert EmailAddress.objects.get().verified
    assert log_in(client, PASSWORD)


def test_another_browser_needs_the_password_of_the_sign_up(client: Client, mandatory: None) -> None:
    sign_up(Client())
    link = links()[-1]
    page = client.get(link).content.decode()
    assert "Write the password" in page
    assert_well_made(page)
    for form in ({}, {"password": "a guess"}):
        assert client.post(link, form).status_code == 422
        assert not EmailAddress.objects.get().verified
    assert client.post(link, {"password": PASSWORD})["Location"] == "/create/"
    assert EmailAddress.objects.get().verified
    assert "_auth_user_id" in client.session


def test_keys_of_who_confirms_by_browser_or_password_go_on(client: Client, optional: None) -> None:
    sign_up(client)
    secret = keys.mint(user=User.objects.get(email=CAROL), name="hers")[1]
    client.post(links()[-1])
    assert EmailAddress.objects.get().verified
    assert keys.verify(secret)


def test_the_owners_browser_does_not_confirm_a_strangers_later_sign_up(client: Client, mandatory: None) -> None:
    sign_up(client, PASSWORD)
    sign_up(Client(), THEIRS, network="198.51.100.1")
    first, second = links()
    assert "no longer works" in client.get(first).content.decode()
    assert client.post(second).status_code == 422
    choose_password(client, client.post(second, {"new_password": "1"}))
    assert not log_in(Client(), THEIRS)
    assert log_in(client, NEW)


def test_a_page_that_was_open_too_long_says_so(client: Client, mandatory: None) -> None:
    sign_up(client)
    link = links()[-1]
    sign_up(Client(), THEIRS, network="198.51.100.1")
    answer = client.post(link)
    assert answer.status_code == 404
    assert "This link no longer works" in answer.content.decode()


def test_a_link_lets_nobody_guess_at_the_password_without_end(client: Client, mandatory: None) -> None:
    sign_up(Client())
    link = links()[-1]
    for number in range(6):
        client.post(link, {"password": f"guess {number}"})
    assert client.post(link, {"password": PASSWORD}).status_code == 422
    assert client.post(link, {"new_password": "1"}).status_code == 302  # who has the mailbox has another way


# --- A sign-up that came to nothing gives way -------------------------------------------------------------------


@pytest.mark.services
def test_a_new_sign_up_replaces_one_that_was_never_confirmed(client: Client, mandatory: None) -> None:
    sign_up(Client(), THEIRS)
    stranger = User.objects.get(email=CAROL)
    TOTP.activate(stranger, "JBSWY3DPEHPK3PXP")
    SocialAccount.objects.create(user=stranger, provider="google", uid="stranger")
    ledger.wallet_of(stranger.pk)  # as when staff looked at the person's page
    sign_up(client, PASSWORD)
    assert client.post(links()[-1]).status_code == 302
    assert not log_in(Client(), THEIRS)
    assert log_in(client, PASSWORD)
    assert not Authenticator.objects.exists()
    assert not SocialAccount.objects.exists()
    assert not User.objects.filter(pk=stranger.pk).exists()


def test_a_sign_up_is_answered_alike_whoever_has_the_address(mandatory: None, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=True)
    sign_up(Client(), THEIRS)
    seen = []
    for email in (alice.email, CAROL, "nobody@example.com"):
        answer = Client().post("/accounts/signup/", {"email": email, "password1": PASSWORD}, follow=True)
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": ?"\w+"', "", answer.content.decode())
        seen.append((answer.redirect_chain, page.replace(email, "")))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.services
def test_many_who_sign_up_with_it_at_once_leave_one_account_and_a_link_that_works(mandatory: None) -> None:
    sign_up(Client(), THEIRS)

    def come(number: int) -> None:
        try:
            sign_up(Client(), f"password of {number}", network=f"198.51.100.{number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come, range(6)))
    assert User.objects.filter(email=CAROL).count() == 1
    working = [link for link in links() if "Write the password" in Client().get(link).content.decode()]
    assert len(working) == 1
    owner = Client()
    choose_password(owner, owner.post(working[0], {"new_password": "1"}))
    assert log_in(owner, NEW)


def test_no_stranger_keeps_an_operator_from_making_an_account(mandatory: None) -> None:
    sign_up(Client(), THEIRS)
    call_command("create_user", CAROL, "--password", PASSWORD, "--staff", stdout=StringIO())
    carol = User.objects.get(email=CAROL)
    assert (carol.is_staff, carol.check_password(PASSWORD)) == (True, True)
    with pytest.raises(CommandError):
        call_command("create_user", CAROL)


@pytest.mark.parametrize("way", ["key", "staff", "suspended", "logged in", "credits", "trusted"])
def test_nobody_replaces_an_account_that_is_something(client: Client, mandatory: None, way: str) -> None:
    user = User.objects.create_user(CAROL, THEIRS, is_staff=way == "staff", is_active=way != "suspended")
    if way != "trusted":  # as an operator makes them: no address on record
        EmailAddress.objects.create(user=user, email=CAROL, primary=True)
    if way == "key":
        keys.mint(user=user, name="made by the operator")
    if way == "logged in":
        Client().force_login(user)
    if way == "credits":
        wallet = ledger.wallet_of(user.pk)
        wallet.grants.create(amount=5, remaining=5, source="staff")
    sign_up(client, PASSWORD)
    user.refresh_from_db()
    assert user.check_password(THEIRS)


def test_without_a_mail_nothing_gives_way_and_the_last_link_works(client: Client, mandatory: None) -> None:
    """Strangers who use up the mails to an address leave its owner the link in the last one."""
    for number in range(31):
        sign_up(Client(), f"password of {number}", network=f"198.51.100.{number}")
    found = links()
    assert len(found) == 30
    sign_up(client, PASSWORD)
    assert len(links()) == 30
    choose_password(client, client.post(found[-1], {"new_password": "1"}))
    assert log_in(client, NEW)


def test_who_logs_in_through_a_provider_that_vouches_for_the_address_finds_it_free(
    rf: RequestFactory, mandatory: None, alice: User
) -> None:
    sign_up(Client(), THEIRS)
    EmailAddress.objects.create(user=alice, email=CAROL)
    login = SocialLogin(user=User(email=CAROL), email_addresses=[EmailAddress(email=CAROL, verified=True)])
    SocialAdapter().pre_social_login(rf.get("/"), login)
    assert not User.objects.filter(email=CAROL).exists()
    assert not EmailAddress.objects.filter(email=CAROL).exists()


def test_an_address_that_a_provider_only_names_is_signed_up_with_as_with_a_form(
    rf: RequestFactory, mandatory: None, alice: User
) -> None:
    sign_up(Client(), THEIRS)
    EmailAddress.objects.create(user=alice, email="wish@example.com")
    named = [EmailAddress(email=email, verified=False) for email in (CAROL, "wish@example.com", alice.email)]
    SocialAdapter().pre_social_login(rf.post("/"), SocialLogin(user=User(email=CAROL), email_addresses=named))
    assert list(User.objects.values_list("email", flat=True)) == [alice.email]
    assert not EmailAddress.objects.filter(email="wish@example.com").exists()


@pytest.mark.services
@pytest.mark.parametrize("mode", ["mandatory", "none"])
def test_two_who_sign_up_at_the_same_moment_are_both_answered(
    client: Client, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = mode
    monkeypatch.setattr(proof, "is_held", lambda email, besides=0: False)  # as it was when the form was looked at
    answer = client.post("/accounts/signup/", {"email": alice.email, "password1": NEW}, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain[-1][0] == ("/accounts/confirm-email/" if mode == "mandatory" else "/accounts/login/")
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


# --- An address that an account only wants to change to ---------------------------------------------------------


def want(browser: Client, email: str) -> None:
    browser.post("/accounts/reauthenticate/?next=/account/", {"password": PASSWORD})
    browser.post("/accounts/email/", {"email": email, "action_add": ""})


def test_its_owner_is_not_talked_into_giving_it_to_a_strangers_account(
    browser: Client, client: Client, alice: User
) -> None:
    want(browser, CAROL)
    link = links()[-1]
    page = client.get(link).content.decode()
    assert "If it wasn’t you, close this page" in page
    assert "Choose a new password" not in page
    for form in ({}, {"new_password": "1"}, {"password": "a guess"}):
        assert client.post(link, form).status_code == 422
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_it_does_not_stop_its_owner_from_signing_up(browser: Client, client: Client, mandatory: None) -> None:
    want(browser, CAROL)
    wished = links()[-1]
    sign_up(client, PASSWORD)
    assert client.post(links()[-1])["Location"] == "/accounts/login/"
    assert log_in(client, PASSWORD)
    assert "no longer works" in browser.get(wished).content.decode()


@pytest.mark.services
def test_it_may_become_anothers_at_the_moment_when_it_is_confirmed(
    browser: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    want(browser, CAROL)
    link = links()[-1]
    User.objects.filter(pk=bob.pk).update(email=CAROL)
    monkeypatch.setattr(proof, "is_held", lambda email, besides=0: False)  # as it was a moment ago
    answer = browser.post(link, follow=True)
    assert answer.status_code == 200
    assert "was confirmed by another account already" in answer.content.decode()
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_a_sign_up_beside_it_is_without_proof_like_any_other(browser: Client, client: Client, optional: None) -> None:
    want(browser, CAROL)
    sign_up(Client(), THEIRS)
    secret = keys.mint(user=User.objects.get(email=CAROL), name="theirs")[1]
    by_a_reset(client)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)


def test_a_sign_up_that_came_to_nothing_does_not_stop_a_change(browser: Client, mandatory: None, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=True)
    want(browser, CAROL)
    sign_up(Client(), THEIRS)
    browser.post("/accounts/email/", {"email": CAROL, "action_send": ""})
    wished = next(link for link in reversed(links()) if "Yes, confirm it" in browser.get(link).content.decode())
    browser.post(wished)
    alice.refresh_from_db()
    assert alice.email == CAROL
    assert User.objects.filter(email=CAROL).count() == 1


def test_a_wish_of_who_had_the_account_is_not_carried_out_after_its_owner_is_back(browser: Client, alice: User) -> None:
    """They asked for it, and have the link; the session in which they did is over."""
    want(browser, "stranger@example.com")
    link = links(to="stranger@example.com")[-1]
    alice.set_password(NEW)
    alice.save()
    assert browser.post(link).status_code == 422
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_no_form_makes_it_the_accounts_without_its_link(stranger: Client) -> None:
    stranger.post("/accounts/email/", {"email": "stranger@example.com", "action_primary": ""})
    assert User.objects.filter(email=CAROL).exists()
    assert not EmailAddress.objects.filter(email="stranger@example.com", primary=True).exists()


def test_keys_of_others_are_left_alone(stranger: Client, client: Client, alice: User) -> None:
    secret = keys.mint(user=alice, name="hers")[1]
    by_a_reset(client)
    assert keys.verify(secret)
    assert ApiKey.objects.filter(revoked_at=None).count() == 1
