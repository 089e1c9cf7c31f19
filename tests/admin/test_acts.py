"""Plans, limits, suspension, keys and roles: each act has its effect, its record, and its permission."""

from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing.models import AuditRecord, Payment, Plan, Subscription, Wallet
from billing.outbox import mail
from billing.staff import acts
from reveweb.admin import person_actions
from tests.admin.conftest import REASON, Staff
from tests.conftest import PASSWORD, Api


def records() -> list[tuple[str, dict[str, object], dict[str, object]]]:
    """What was done to Alice, newest first."""
    mine = AuditRecord.objects.filter(wallet__user__email="alice@example.com")
    assert all(record.reason == REASON and record.actor for record in mine)
    return list(mine.values_list("action", "before", "after"))


@pytest.mark.services
def test_the_plan_changes_where_no_subscription_runs(finance: Staff, alice: User, wallet: Wallet, basic: Plan) -> None:
    Wallet.objects.update(plan=None)
    finance.act("person_plan", alice.pk, plan=basic.pk)
    wallet.refresh_from_db()
    assert wallet.plan == basic
    assert records() == [("Changed the plan", {"plan": None}, {"plan": "basic"})]
    assert wallet.balance == 3


def test_a_running_subscription_decides_on_the_plan(
    boss: Staff, alice: User, wallet: Wallet, basic: Plan, subscription: Subscription
) -> None:
    before = wallet.plan
    assert "subscription is running" in boss.text("person_plan", alice.pk)
    response = boss.act("person_plan", alice.pk, plan=basic.pk)
    assert "subscription is running" in response.content.decode()
    wallet.refresh_from_db()
    assert wallet.plan == before
    assert records() == []


def test_the_rate_limit_changes_and_goes_back(finance: Staff, alice: User, wallet: Wallet) -> None:
    finance.act("person_rate_limit", alice.pk, per_minute=60)
    wallet.refresh_from_db()
    assert wallet.rate_limit == 60
    finance.act("person_rate_limit", alice.pk, per_minute="")
    wallet.refresh_from_db()
    assert wallet.rate_limit is None
    assert records()[0] == ("Changed the rate limit", {"rate_limit": 60}, {"rate_limit": None})
    assert finance.act("person_rate_limit", alice.pk, per_minute=0).status_code == 200
    assert len(records()) == 2


def test_a_change_to_what_it_is_already_leaves_no_record(finance: Staff, alice: User, wallet: Wallet) -> None:
    finance.act("person_rate_limit", alice.pk, per_minute="")
    assert records() == []


def test_suspending_stops_the_running_session_and_the_api_keys_at_once(
    admin: Staff, alice: User, wallet: Wallet, api: Api, client: Client
) -> None:
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert browser.get("/create/").status_code == 200
    assert keys.verify(api.secret)

    assert admin.act("person_suspend", alice.pk).status_code == 302

    assert browser.get("/create/").status_code == 302  # to the log-in
    with pytest.raises(InvalidApiKey):
        keys.verify(api.secret)
    assert api.post({"prompt": "x"}).status_code == 401
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert browser.get("/create/").status_code == 302
    assert records() == [("Suspended", {"active": True}, {"active": False})]


def test_whoever_is_suspended_is_told_once_and_not_why(
    admin: Staff, alice: User, wallet: Wallet, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        admin.act("person_suspend", alice.pk, reason="Sells stolen keys")
        admin.act("person_suspend", alice.pk, reason="Sells stolen keys")
    mail.send_due()
    [message] = mailoutbox
    assert (message.to, "is suspended" in message.subject) == ([alice.email], True)
    assert "your API keys have stopped" in message.body
    assert "stolen" not in message.body + message.alternatives[0][0]


def test_restoring_lets_them_in_again(admin: Staff, alice: User, wallet: Wallet, api: Api) -> None:
    admin.act("person_suspend", alice.pk)
    admin.act("person_restore", alice.pk)
    assert keys.verify(api.secret)
    assert [record[0] for record in records()] == ["Restored", "Suspended"]
    assert "not suspended" in admin.act("person_restore", alice.pk).content.decode()
    assert len(records()) == 2


def test_nobody_suspends_themselves_and_a_role_no_superuser(admin: Staff, boss: Staff) -> None:
    assert "This is you" in admin.act("person_suspend", admin.user.pk).content.decode()
    assert admin.act("person_suspend", boss.user.pk).status_code == 403
    assert not User.objects.filter(is_active=False).exists()


def test_one_key_is_revoked_and_the_other_works_on(support: Staff, alice: User, key: tuple[ApiKey, str]) -> None:
    other = keys.mint(user=alice, name="server")[1]
    assert "laptop" in support.text("person_revoke_key", alice.pk, key[0].pk)
    support.act("person_revoke_key", alice.pk, key[0].pk)
    with pytest.raises(InvalidApiKey):
        keys.verify(key[1])
    assert keys.verify(other)
    assert records() == [("Revoked API keys", {"live": [key[0].prefix]}, {"revoked": [key[0].prefix]})]


@pytest.mark.services
def test_all_keys_are_revoked_in_one_act(support: Staff, alice: User, bob: User, key: tuple[ApiKey, str]) -> None:
    keys.mint(user=alice, name="server")
    bobs = keys.mint(user=bob, name="bob's")[1]
    support.act("person_revoke_keys", alice.pk)
    assert not ApiKey.objects.filter(user=alice, revoked_at=None).exists()
    assert keys.verify(bobs)
    assert len(records()) == 1
    assert "no live API key" in support.act("person_revoke_keys", alice.pk).content.decode()
    assert len(records()) == 1


def test_a_key_is_not_found_on_somebody_elses_page(support: Staff, bob: User, key: tuple[ApiKey, str]) -> None:
    assert support.act("person_revoke_key", bob.pk, key[0].pk).status_code == 404
    assert keys.verify(key[1])


@pytest.mark.services
def test_a_role_makes_staff_and_no_role_ends_it(admin: Staff, alice: User) -> None:
    admin.act("person_role", alice.pk, role="support")
    alice = User.objects.get(pk=alice.pk)
    assert alice.is_staff
    assert alice.has_perm("billing.grant_few")
    admin.act("person_role", alice.pk, role="finance")
    assert not User.objects.get(pk=alice.pk).has_perm("billing.revoke_key")
    admin.act("person_role", alice.pk, role="")
    alice = User.objects.get(pk=alice.pk)
    assert not alice.is_staff
    assert not alice.groups.exists()
    assert [record[2]["role"] for record in records()] == ["", "finance", "support"]


def test_nobody_changes_their_own_role_or_a_superusers(admin: Staff, boss: Staff) -> None:
    assert "This is you" in admin.act("person_role", admin.user.pk, role="").content.decode()
    assert "superuser" in admin.act("person_role", boss.user.pk, role="").content.decode()
    with pytest.raises(PermissionDenied):
        acts.set_role(actor=admin.user, user=boss.user, role="", reason=REASON)
    assert User.objects.get(pk=boss.user.pk).is_staff


ACTS = {
    "person_grant": {"support", "finance", "admin"},
    "person_take": {"finance", "admin"},
    "person_plan": {"finance", "admin"},
    "person_rate_limit": {"finance", "admin"},
    "person_suspend": {"admin"},
    "person_restore": {"admin"},
    "person_revoke_keys": {"support", "admin"},
    "person_role": {"admin"},
}


def test_only_finance_and_admin_refund(
    support: Staff, finance: Staff, admin: Staff, boss: Staff, alice: User, payment: Payment
) -> None:
    people = {"support": support, "finance": finance, "admin": admin, "superuser": boss}
    opened = {role for role, who in people.items() if who.get("person_refund", alice.pk, payment.pk).status_code == 200}
    assert opened == {"finance", "admin", "superuser"}
    assert support.act("person_refund", alice.pk, payment.pk, amount="1").status_code == 403
    refund = f"payments/{payment.pk}/refund/"
    assert refund in finance.text("accounts_user_change", alice.pk)
    assert refund not in support.text("accounts_user_change", alice.pk)
    assert records() == []


@pytest.mark.parametrize("act", ACTS)
def test_each_role_may_do_its_acts_and_no_others(
    support: Staff, finance: Staff, admin: Staff, boss: Staff, alice: User, act: str
) -> None:
    people = {"support": support, "finance": finance, "admin": admin}
    assert {role for role, who in people.items() if who.get(act, alice.pk).status_code == 200} == ACTS[act]
    assert boss.get(act, alice.pk).status_code == 200
    assert Client().get(f"/admin/accounts/user/{alice.pk}/grant/").status_code == 302
    for role in set(people) - ACTS[act]:
        assert people[role].act(act, alice.pk).status_code == 403
    assert records() == []


def test_an_act_without_its_token_is_refused(boss: Staff, alice: User, wallet: Wallet) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss.user)
    assert strict.post(f"/admin/accounts/user/{alice.pk}/suspend/", {"reason": "x"}).status_code == 403
    assert User.objects.get(pk=alice.pk).is_active


# --- Rows that are gone


ODD_IDS = ["0", "999999", "²", "٣", "9" * 25, "9" * 5000, "a", "_00", "x" * 3000, "a\x00b"]


@pytest.mark.services
@pytest.mark.parametrize("number", ODD_IDS)
def test_a_page_of_nobody_is_none(boss: Staff, number: str) -> None:
    response = boss.client.get(f"/admin/accounts/user/{quote(number)}/change/")
    assert response.status_code in (302, 404)
    for path in ("grant/", "role/", "payments/1/refund/", f"keys/{number}/revoke/"):
        assert boss.client.post(f"/admin/accounts/user/{quote(number)}/{path}").status_code in (302, 404)


@pytest.mark.parametrize("name", ["person_grant", "person_role", "person_suspend"])
def test_an_act_on_somebody_who_goes_while_it_is_done_breaks_nothing(
    boss: Staff, bob: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"credits": 5, "role": "support"}
    act = person_actions.ACTS[name][1]
    run = act.run

    def run_late(self: Any, form: Any) -> str:
        User.objects.filter(pk=bob.pk).delete()
        return run(self, form)

    monkeypatch.setattr(act, "run", run_late)
    monkeypatch.setattr(act, "asks_first", False)
    assert boss.act(name, bob.pk, **form).status_code == 404
    assert not User.objects.filter(pk=bob.pk).exists()


@pytest.mark.services
def test_a_day_that_the_database_does_not_know_leads_to_the_whole_list(boss: Staff) -> None:
    for day in ("9999-12-31 23:59:59-23:59", "0001-01-01 00:00:00+23:59", "10000-01-01", "x"):
        response = boss.client.get("/admin/billing/auditrecord/", {"created_at__gte": day})
        assert response.status_code in (200, 302), day


@pytest.mark.parametrize("query", ["_to_field=", "_to_field=x", "_popup=1", "o=x", "p=x", "e=1", "_facets=x", "q=%00"])
def test_odd_parameters_of_lists_and_pages_break_none(boss: Staff, bob: User, query: str) -> None:
    for path in (f"user/{bob.pk}/delete/", f"user/{bob.pk}/history/", "user/"):
        assert boss.client.get(f"/admin/accounts/{path}?{query}").status_code < 500


def test_chosen_rows_that_are_gone_are_no_rows(boss: Staff) -> None:
    for address, action in (
        ("billing/stripeevent", "try_again"),
        ("billing/outgoingmail", "send_again"),
        ("accounts/user", "nothing"),
    ):
        for chosen in ODD_IDS:
            form = {"action": action, "_selected_action": ["999999", chosen], "index": "0"}
            assert boss.client.post(f"/admin/{address}/", form).status_code in (200, 302, 400), chosen
