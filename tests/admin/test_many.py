"""Grants to a selection of people and from a CSV."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts import many_rows
from accounts.many_rows import ManyRows
from accounts.models import ApiKey, User
from billing import ledger
from billing.bulk import drafts, working
from billing.errors import AccountClosed
from billing.models import (
    AuditRecord,
    Bulk,
    CreditEntry,
    CreditGrant,
    HeldWelcome,
    OutgoingMail,
    Plan,
    StripeEvent,
    Wallet,
)
from billing.staff import acts, welcoming
from generator.models import Generation, WebhookDelivery
from tests.admin.conftest import REASON, Staff
from tests.billing.books import audit

HEAD = "email,credits,reason,reference\n"


def select(who: Staff, *users: User, **data: Any) -> Any:
    chosen = {"action": "grant_to_selected", "_selected_action": [user.pk for user in users]}
    return who.post("accounts_user_changelist", **chosen, **data)


def confirm(who: Staff, *users: User, **data: Any) -> Any:
    filled = {"confirmed": "1", "nonce": str(uuid4()), "reason": REASON, "credits": 5}
    return select(who, *users, **{**filled, **data})


def upload(who: Staff, content: str | bytes) -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    return who.post("billing_creditgrant_import", import_file=SimpleUploadedFile("grants.csv", data, "text/csv"))


def preview(who: Staff, content: str | bytes) -> Bulk:
    """Bring a file and have it checked, as a worker does."""
    assert upload(who, content).status_code == 302
    bulk = Bulk.objects.latest("pk")
    working.run(bulk.pk)
    bulk.refresh_from_db()
    return bulk


def page_of(who: Staff, bulk: Bulk) -> str:
    return who.text("billing_bulk_change", bulk.pk)


def go(who: Staff, bulk: Bulk, **data: Any) -> Bulk:
    """Confirm an act on many and have a worker do it."""
    who.post("billing_bulk_change", bulk.pk, step="confirm", **data)
    working.run(bulk.pk)
    bulk.refresh_from_db()
    return bulk


def apply(who: Staff, content: str) -> Bulk:
    return go(who, preview(who, content))


def everything(who: Staff, table: str, act: str, query: str = "") -> Bulk:
    """Choose one row of a list and then all that its filter finds, and return what is to be confirmed."""
    answer = who.client.post(
        reverse(f"admin:{table}_changelist") + query,
        {"action": act, "_selected_action": ["1"], "select_across": "1", "index": "0"},
    )
    assert answer.status_code == 302
    return Bulk.objects.latest("pk")


def balance(user: User) -> int:
    return audit(ledger.wallet_of(user.pk))


def test_a_selection_is_shown_and_nothing_is_granted_yet(boss: Staff, alice: User, bob: User) -> None:
    text = select(boss, alice, bob).content.decode()
    assert "alice@example.com" in text
    assert "bob@example.com" in text
    assert "Grant to 2" in text
    assert not AuditRecord.objects.exists()


@pytest.mark.services
def test_a_confirmed_selection_gets_credits_each_with_a_record(boss: Staff, alice: User, bob: User) -> None:
    assert confirm(boss, alice, bob).status_code == 302
    assert (balance(alice), balance(bob)) == (8, 8)
    assert AuditRecord.objects.filter(action="Granted credits", reason=REASON).count() == 2


@pytest.mark.services
def test_a_deleted_account_gets_nothing_whichever_way(boss: Staff, alice: User, bob: User) -> None:
    held = HeldWelcome.objects.create(wallet=ledger.wallet_of(alice.pk), reason="network", credits=3)
    User.objects.filter(pk=alice.pk).update(deleted_at=timezone.now(), is_active=False)
    assert "was deleted" in boss.act("person_grant", alice.pk, credits=5).content.decode()
    assert confirm(boss, alice, bob).status_code == 302  # the list leaves her out
    with pytest.raises(CommandError, match="was deleted"):
        call_command("grant_credits", alice.email, 5, reason=REASON)
    for act in (acts.grant, lambda **named: welcoming.give(actor=named["actor"], held=held)):
        with pytest.raises(AccountClosed):
            act(actor=None, wallet=held.wallet, credits=5, reason=REASON, reference="staff:1")
    assert (balance(alice), balance(bob)) == (3, 8)


@pytest.mark.services
def test_a_selection_sent_twice_gets_them_once(boss: Staff, alice: User, bob: User) -> None:
    nonce = str(uuid4())
    for _ in range(2):
        confirm(boss, alice, bob, nonce=nonce)
    assert (balance(alice), balance(bob)) == (8, 8)
    assert AuditRecord.objects.count() == 2


def test_supports_limit_counts_all_people_of_one_act(support: Staff, alice: User, bob: User) -> None:
    assert "At most 10 here" in confirm(support, alice, bob, credits=11).content.decode()
    assert confirm(support, alice, bob, credits=10).status_code == 302
    assert (balance(alice), balance(bob)) == (13, 13)


def test_the_domain_counts_all_people_of_one_act_whatever_the_page_shows(
    support: Staff, alice: User, bob: User, settings: Any
) -> None:
    settings.SUPPORT_GRANT_LIMIT = 20
    accounts = [ledger.wallet_of(user.pk) for user in (alice, bob)]
    with pytest.raises(PermissionDenied):
        acts.grant_many(actor=support.user, accounts=accounts, credits=11, reason=REASON, reference="staff:1")
    assert (balance(alice), balance(bob)) == (3, 3)


def test_only_people_and_no_deletion_can_be_chosen(boss: Staff, alice: User) -> None:
    text = boss.text("accounts_user_changelist")
    assert "grant_to_selected" in text
    assert "delete_selected" not in text
    response = boss.post("accounts_user_changelist", action="delete_selected", _selected_action=[alice.pk], post="yes")
    assert response.status_code in (200, 302)
    assert User.objects.filter(pk=alice.pk).exists()


@pytest.mark.services
def test_a_csv_is_checked_shown_and_then_applied(boss: Staff, alice: User, bob: User) -> None:
    content = HEAD + "alice@example.com,10,Contest,c-1\n BOB@example.com , 20 ,Contest,\n"
    bulk = preview(boss, content)
    text = page_of(boss, bulk)
    assert "<strong>30</strong> credits in <strong>2</strong> grants" in text
    assert not AuditRecord.objects.exists()
    assert (go(boss, bulk).state, bulk.counts) == ("done", {"done": 2})
    assert (balance(alice), balance(bob)) == (13, 23)
    entry = CreditEntry.objects.get(reference="import:c-1")
    assert (entry.amount, entry.cause) == (10, "Contest")
    assert CreditEntry.objects.get(reference=f"bulk:{bulk.pk}:3").amount == 20
    assert AuditRecord.objects.filter(action="Granted credits", actor=boss.user, reason="Contest").count() == 2
    assert [*AuditRecord.objects.filter(wallet=None).order_by("pk").values_list("action", flat=True)] == [
        "Began an act on many",
        "Finished an act on many",
    ]


@pytest.mark.services
def test_a_line_with_a_reference_is_granted_once_whatever_file_it_comes_in(boss: Staff, alice: User) -> None:
    content = HEAD + "alice@example.com,10,Contest,c-1\n"
    first, second = preview(boss, content), preview(boss, content + "\n")
    go(boss, first)
    assert go(boss, second).counts == {"skipped": 1}  # it was checked before the first was granted
    third = preview(boss, content)
    text = page_of(boss, third)
    assert "There is nothing to grant" in text
    assert "This very file was confirmed before" in text
    assert balance(alice) == 13


def test_a_longer_csv_grants_only_what_is_new(boss: Staff, alice: User, bob: User) -> None:
    apply(boss, HEAD + "alice@example.com,10,Contest,c-1\n")
    apply(boss, HEAD + "alice@example.com,10,Contest,c-1\nbob@example.com,5,Contest,c-2\n")
    assert (balance(alice), balance(bob)) == (13, 8)


def test_a_grant_of_a_file_may_expire(boss: Staff, alice: User) -> None:
    apply(boss, "email,credits,reason,expires\nalice@example.com,10,Contest,2099-01-01\nalice@example.com,1,x,\n")
    assert balance(alice) == 3  # the year is far beyond what may be asked for
    apply(boss, f"email,credits,reason,expires\nalice@example.com,10,Contest,{timezone.now().year + 1}-01-01\n")
    assert balance(alice) == 13
    grant = CreditGrant.objects.get(amount=10)
    assert grant.expires_at == datetime(timezone.now().year + 1, 1, 2, tzinfo=UTC)


def test_errors_are_told_by_line_in_words_and_nothing_is_granted(boss: Staff, alice: User) -> None:
    apply(boss, HEAD + "alice@example.com,10,Contest,used\n")
    content = HEAD + "".join(
        line + "\n"
        for line in (
            "alice@example.com,1,Fine,c-1",
            "nobody@example.com,1,Contest,c-2",
            "alice@example.com,1.5,Contest,c-3",
            "alice@example.com,-1,Contest,c-4",
            "alice@example.com,1000001,Contest,c-5",
            "alice@example.com,1,,c-6",
            "alice@example.com,1,Contest,c-1",
            "alice@example.com,11,Contest,used",
            "alice@example.com,1,Sorry, outage,c-7",
            ",,,",
        )
    )
    bulk = preview(boss, content)
    text = page_of(boss, bulk)
    for words in (
        "9 of 10 lines cannot be granted",
        "Nobody is registered as nobody@example.com.",
        "“1.5” is no whole number from 1 to 1,000,000.",
        "“-1” is no whole number",
        "“1000001” is no whole number",
        "A reason of 1 to 300 characters is needed.",
        "Line 2 has the same reference.",
        "Its reference was used before, for 10 credits to alice@example.com.",
        "It has more columns than the first line: put a text with commas between quotation marks.",
        "No email address.",
    ):
        assert words in text, words
    assert [*bulk.lines.filter(state="faulty").values_list("number", flat=True)] == list(range(3, 12))
    go(boss, bulk)
    assert (bulk.state, balance(alice)) == ("faulty", 13)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("email,credits\nalice@example.com,1\n", "missing: reason"),
        (HEAD, "no lines below its first"),
        ("email,credits,reason,Reason\nalice@example.com,1,a,b\n", "names a column twice: reason"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (HEAD + 'a,b,c,d,e,f\n"', "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_list_of_grants_is_refused_in_words(
    boss: Staff, alice: User, content: str | bytes, words: str
) -> None:
    bulk = preview(boss, content)
    assert bulk.state == "faulty"
    assert words in page_of(boss, bulk)


def test_a_file_that_is_too_large_is_refused_in_words(boss: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_BYTES", 100)
    assert "The file is larger than 12 MB" in upload(boss, HEAD + "x" * 100).content.decode()
    monkeypatch.setattr(drafts, "MOST_BYTES", 10_000)
    monkeypatch.setattr(drafts, "MOST_LINES", 3)
    assert "more than 3 lines" in page_of(boss, preview(boss, HEAD + "alice@example.com,1,x,\n" * 4))


def test_a_file_with_the_mark_and_capitals_of_a_spreadsheet_is_read(boss: Staff, alice: User) -> None:
    apply(boss, "\ufeffEmail, Credits ,REASON,Reference\nalice@example.com,10,Contest,c-1\n")
    assert balance(alice) == 13


def test_a_files_content_is_shown_as_text(boss: Staff, alice: User) -> None:
    evil = "<script>alert(1)</script>"
    for content in (f"alice@example.com,1,{evil},r", f"{evil},1,x,r"):
        text = page_of(boss, preview(boss, HEAD + content + "\n"))
        assert evil not in text
        assert "&lt;script&gt;" in text


def test_support_imports_nothing(support: Staff, alice: User) -> None:
    assert upload(support, HEAD + "alice@example.com,1,x,r\n").status_code == 403
    assert "/import/" not in support.text("billing_creditgrant_changelist")
    assert not Bulk.objects.exists()


# --- All that a filter finds -----------------------------------------------------------------------------------


@pytest.mark.services
def test_everybody_that_a_filter_finds_gets_credits(boss: Staff, alice: User, bob: User) -> None:
    bulk = everything(boss, "accounts_user", "grant_to_selected", "?q=example.com")
    assert bulk.total == 3
    User.objects.create(email="late@example.com")
    text = page_of(boss, bulk)
    assert "Grant credits: 3 people" in text
    assert "search: example.com" in text
    go(boss, bulk, credits="5", reason=REASON)
    assert bulk.counts == {"done": 3}
    assert (balance(alice), balance(bob), balance(User.objects.get(email="late@example.com"))) == (8, 8, 3)


def test_the_oldest_are_acted_on_too_where_no_index_answers_the_filter(
    boss: Staff, basic: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list keeps to the newest then; an act on all, or on who was chosen before others came, does not."""
    users = User.objects.bulk_create(User(email=f"p{number}@example.com") for number in range(4))
    Wallet.objects.bulk_create(Wallet(user=user, plan=basic) for user in users)
    for number, user in enumerate(users):
        User.objects.filter(pk=user.pk).update(date_joined=datetime(2024, 1, 1 + number, tzinfo=UTC))
    monkeypatch.setattr(many_rows, "NEWEST", 2)
    query = f"?wallet__plan__id__exact={basic.pk}"
    page = boss.text("accounts_user_changelist", query=query)
    assert "Only the newest 2 rows" in page
    assert "p0@example.com" not in page
    bulk = everything(boss, "accounts_user", "grant_to_selected", query)
    assert (bulk.source, bulk.total) == ("plan: Basic", 4)
    assert go(boss, bulk, credits="5", reason=REASON).counts == {"done": 4}
    assert everything(boss, "accounts_user", "suspend_selected", query).total == 4
    chosen = {"action": "suspend_selected", "_selected_action": [users[0].pk], "index": "0"}
    boss.client.post(reverse("admin:accounts_user_changelist") + query, chosen)
    assert [*Bulk.objects.latest("pk").lines.values_list("label", flat=True)] == ["p0@example.com"]


LARGE = {
    "accounts_user": "suspend_selected",
    "accounts_apikey": "revoke_selected",
    "billing_heldwelcome": "give_after_all",
    "billing_outgoingmail": "send_again",
    "billing_stripeevent": "try_again",
    "generator_generation": "take_off_explore",
    "generator_webhookdelivery": "resend_selected",
}


@pytest.mark.parametrize("table", LARGE)
def test_no_large_list_bounds_what_an_act_on_all_is_done_to(
    table: str, boss: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = {
        f"{model._meta.app_label}_{model._meta.model_name}": each for model, each in site._registry.items()
    }
    assert {name for name, each in own.items() if each.actions and getattr(each, "many_rows", None)} == {*LARGE}
    asked: list[str] = []

    def newest(rows: Any, time: str) -> Any:
        asked.append(time)
        return rows.none()

    def begin(request: Any, admin_of: Any, kind: str, rows: Any) -> None:
        asked.append(str(rows.query.is_empty()))

    monkeypatch.setattr(many_rows, "newest", newest)
    monkeypatch.setattr(ManyRows, "indexed", lambda self, model_admin: set())
    monkeypatch.setattr("billing.admin.bulk.begin", begin)
    time = own[table].many_rows.time
    boss.client.post(
        reverse(f"admin:{table}_changelist") + f"?{time}__gte=2020-01-01%2000:00:00%2B00:00",
        {"action": LARGE[table], "_selected_action": ["1"], "select_across": "1", "index": "0"},
    )
    assert (set(asked[:-1]), asked[-1]) == ({time}, "False")


def test_a_filter_that_finds_more_than_one_act_takes_is_refused_in_words(
    boss: Staff, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST_LINES", 1)
    everyone = {"action": "grant_to_selected", "_selected_action": ["1"], "select_across": "1", "index": "0"}
    answer = boss.client.post(reverse("admin:accounts_user_changelist"), everyone, follow=True)
    assert "The filter finds more than 1 person, the most of one act: narrow it." in answer.content.decode()
    assert not Bulk.objects.exists()


def test_all_are_told_as_all_however_the_form_says_so(boss: Staff, alice: User) -> None:
    everyone = {"action": "grant_to_selected", "_selected_action": [alice.pk], "select_across": "on", "index": "0"}
    boss.client.post(reverse("admin:accounts_user_changelist"), everyone)
    assert Bulk.objects.get().source == "Everything"


def test_a_filter_is_told_in_words(boss: Staff, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    bulk = everything(boss, "accounts_user", "grant_to_selected", "?state=suspended")
    assert (bulk.source, bulk.total) == ("state: Suspended", 1)


def test_who_is_out_of_reach_is_listed_and_the_others_are_done(admin: Staff, boss: Staff, alice: User) -> None:
    bulk = everything(admin, "accounts_user", "suspend_selected")
    go(admin, bulk, reason=REASON)
    assert bulk.counts == {"done": 1, "failed": 2}
    text = page_of(admin, bulk)
    assert "This is your own account" in text
    assert "superuser’s account" in text
    assert [*User.objects.filter(is_active=False)] == [alice]


def test_a_members_limits_hold_for_the_sum(support: Staff, alice: User, bob: User, settings: Any) -> None:
    bulk = everything(support, "accounts_user", "grant_to_selected", "?q=example.com")
    answer = support.client.post(
        reverse("admin:billing_bulk_change", args=[bulk.pk]),
        {"step": "confirm", "credits": "11", "reason": REASON},
        follow=True,
    )
    assert "These are 44 credits, and you may grant 20 in one act." in answer.content.decode()
    assert balance(alice) == 3


def test_keys_and_mails_and_events_are_acted_on(
    boss: Staff, key: tuple[ApiKey, str], event: StripeEvent, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.staff.acts.inbox.handle", lambda pk: True)
    failed = {"template": "low_balance", "context": {"balance": 2}, "failed_at": timezone.now()}
    OutgoingMail.objects.create(reference="low_balance:1", wallet=wallet, **failed)
    for table, act in (
        ("accounts_apikey", "revoke_selected"),
        ("billing_outgoingmail", "send_again"),
        ("billing_stripeevent", "try_again"),
    ):
        bulk = everything(boss, table, act)
        assert go(boss, bulk, reason=REASON).counts == {"done": 1}, act
    assert ApiKey.objects.get().revoked_at is not None
    assert OutgoingMail.objects.get().failed_at is None


def test_everybody_whose_welcome_was_held_back_gets_it(boss: Staff) -> None:
    wallets = [ledger.wallet_of(User.objects.create_user(f"{name}@mailinator.com").pk) for name in "abc"]
    bulk = everything(boss, "billing_heldwelcome", "give_after_all")
    assert go(boss, bulk, reason=REASON).counts == {"done": 3}
    assert [audit(wallet) for wallet in wallets] == [3, 3, 3]


def test_images_and_messages_are_acted_on(boss: Staff, drawn: Generation, message: WebhookDelivery) -> None:
    Generation.objects.filter(pk=drawn.pk).update(is_listed=True)
    assert go(boss, everything(boss, "generator_generation", "take_off_explore"), reason=REASON).counts == {"done": 1}
    assert not Generation.objects.get(pk=drawn.pk).is_listed
    WebhookDelivery.objects.update(state="failed", ended_at=timezone.now())
    bulk = everything(boss, "generator_webhookdelivery", "resend_selected")
    assert go(boss, bulk, reason=REASON).counts == {"done": 1}
    assert AuditRecord.objects.filter(action="Sent a webhook message again").count() == 1


def test_nobody_confirms_what_somebody_else_began(boss: Staff, finance: Staff, alice: User) -> None:
    bulk = everything(boss, "accounts_user", "grant_to_selected")
    assert finance.post("billing_bulk_change", bulk.pk, credits="1", reason="x").status_code == 403
    assert "Only sam@example.com can confirm it" in page_of(finance, bulk)


@pytest.mark.parametrize("state", ["ready", "running", "paused"])
@pytest.mark.parametrize(("credits", "may"), [(5, True), (6, False)])
def test_supports_pages_offer_to_lead_anothers_grants_as_far_as_they_may_grant(
    state: str, credits: int, may: bool, finance: Staff, support: Staff, alice: User, bob: User
) -> None:
    """Four people; support may grant 20 at a time."""
    bulk = everything(finance, "accounts_user", "grant_to_selected", "?q=example.com")
    bulk.lines.filter(label__startswith="sam").delete()
    Bulk.objects.filter(pk=bulk.pk).update(state=state, values={"credits": credits})
    page = page_of(support, bulk)
    assert bulk.lines.count() == 4
    assert ('value="cancel"' in page) == may
    assert ('value="resume"' in page) == (may and state == "paused")
    assert ('value="pause"' in page) == (state == "running")
    for step in ("resume", "cancel"):
        assert support.post("billing_bulk_change", bulk.pk, step=step).status_code == (302 if may else 403)
    assert ('value="cancel"' in page_of(finance, bulk)) is not may  # who began it, unless it was cancelled now


def test_support_leads_nothing_that_came_from_a_file(finance: Staff, boss: Staff, support: Staff, alice: User) -> None:
    bulk = preview(boss, HEAD + "alice@example.com,1,Contest,c-1\n")
    for state in ("ready", "paused"):
        Bulk.objects.filter(pk=bulk.pk).update(state=state)
        assert 'value="cancel"' not in page_of(support, bulk)
        assert support.post("billing_bulk_change", bulk.pk, step="cancel").status_code == 403
    assert support.post("billing_bulk_change", bulk.pk, step="resume").status_code == 403
    assert finance.post("billing_bulk_change", bulk.pk, step="resume").status_code == 302
    assert Bulk.objects.get().state == "running"


def test_the_page_of_what_runs_asks_how_far_it_is_until_it_has_ended(boss: Staff, alice: User) -> None:
    bulk = preview(boss, HEAD + "alice@example.com,10,Contest,c-1\n")
    boss.post("billing_bulk_change", bulk.pk, step="confirm")
    assert "hx-get" in page_of(boss, bulk)
    working.run(bulk.pk)
    answer = boss.client.get(reverse("admin:bulk_progress", args=[bulk.pk]), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (286, "true")
    rows = b"".join(boss.get("bulk_report", bulk.pk).streaming_content).decode().splitlines()
    assert rows[1].startswith("2,alice@example.com,10,done,")
