"""Grants to a selection of people and from a CSV."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import User
from billing import ledger
from billing.models import AuditRecord, CreditEntry, Wallet
from billing.staff import acts
from tests.admin.conftest import REASON, Staff
from tests.billing.books import audit

HEAD = "email,credits,reason,reference\n"


def select(who: Staff, *users: User, **data: Any) -> Any:
    chosen = {"action": "grant_to_selected", "_selected_action": [user.pk for user in users]}
    return who.post("accounts_user_changelist", **chosen, **data)


def confirm(who: Staff, *users: User, **data: Any) -> Any:
    filled = {"confirmed": "1", "nonce": str(uuid4()), "reason": REASON, "credits": 5}
    return select(who, *users, **{**filled, **data})


def preview(who: Staff, content: str | bytes) -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    file = SimpleUploadedFile("grants.csv", data, "text/csv")
    return who.post("billing_creditgrant_import", import_file=file, format="0", resource="0")


def apply(who: Staff, content: str) -> Any:
    """Preview, then confirm what the preview carries."""
    form = preview(who, content).context["confirm_form"]
    return who.post("billing_creditgrant_process_import", **form.initial)


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
def test_a_csv_is_previewed_then_applied(boss: Staff, alice: User, bob: User) -> None:
    content = HEAD + "alice@example.com,10,Contest,c-1\n BOB@example.com , 20 ,Contest,c-2\n"
    text = preview(boss, content).content.decode()
    assert "<strong>30</strong> credits to <strong>2</strong>" in text
    assert not AuditRecord.objects.exists()
    assert not Wallet.objects.filter(user=bob).exists()
    response = apply(boss, content)
    assert response.status_code == 302
    assert (balance(alice), balance(bob)) == (13, 23)
    entry = CreditEntry.objects.get(reference="import:c-1")
    assert (entry.amount, entry.cause) == (10, "Contest")
    assert AuditRecord.objects.filter(action="Granted credits", actor=boss.user, reason="Contest").count() == 2


@pytest.mark.services
def test_the_same_csv_twice_changes_nothing(boss: Staff, alice: User) -> None:
    content = HEAD + "alice@example.com,10,Contest,c-1\n"
    carried = preview(boss, content).context["confirm_form"].initial
    for _ in range(2):
        boss.post("billing_creditgrant_process_import", **carried)
    assert balance(alice) == 13
    page = preview(boss, content)
    assert "There is nothing to grant" in page.content.decode()
    assert "Granted before" in page.content.decode()
    assert balance(alice) == 13
    assert AuditRecord.objects.count() == 1


def test_a_longer_csv_grants_only_what_is_new(boss: Staff, alice: User, bob: User) -> None:
    apply(boss, HEAD + "alice@example.com,10,Contest,c-1\n")
    apply(boss, HEAD + "alice@example.com,10,Contest,c-1\nbob@example.com,5,Contest,c-2\n")
    assert (balance(alice), balance(bob)) == (13, 8)


def test_errors_are_told_by_line_in_words_and_unknown_people_by_name(boss: Staff, alice: User) -> None:
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
            "alice@example.com,1,Contest,",
            "alice@example.com,1,Contest,c-1",
            "alice@example.com,11,Contest,used",
            ",,,",
        )
    )
    page = preview(boss, content)
    text = page.content.decode()
    assert "confirm_form" not in page.context
    for words in (
        "9 of 10 lines cannot be granted",
        "Not registered: nobody@example.com.",
        "Nobody is registered as nobody@example.com.",
        "“1.5” is no whole number from 1 to 1,000,000.",
        "“-1” is no whole number",
        "“1000001” is no whole number",
        "A reason of 1 to 300 characters is needed.",
        "A reference of 1 to 150 characters is needed.",
        "Line 2 has the same reference.",
        "It was used before, for 10 credits to alice@example.com.",
        "No email address.",
    ):
        assert words in text, words
    assert balance(alice) == 13


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("email,credits\nalice@example.com,1\n", "missing: reason, reference"),
        (HEAD, "No valid data"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (HEAD + 'a,b,c,d,e,f\n"', "cannot be read as CSV"),
        (HEAD + "alice@example.com,1,x,y\n" * 1001, "at most 1,000 are read"),
        (HEAD + "x" * 1_100_000, "larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_list_of_grants_is_refused_in_words(
    boss: Staff, alice: User, content: str | bytes, words: str
) -> None:
    page = preview(boss, content)
    assert page.status_code == 200
    assert words in page.content.decode()
    assert "confirm_form" not in page.context


def test_a_file_with_the_mark_and_capitals_of_a_spreadsheet_is_read(boss: Staff, alice: User) -> None:
    apply(boss, "\ufeffEmail, Credits ,REASON,Reference\nalice@example.com,10,Contest,c-1\n")
    assert balance(alice) == 13


def test_what_changed_between_preview_and_confirmation_grants_nothing(boss: Staff, alice: User, bob: User) -> None:
    content = HEAD + "bob@example.com,5,Contest,c-2\nalice@example.com,10,Contest,c-1\n"
    carried = preview(boss, content).context["confirm_form"].initial
    User.objects.filter(pk=alice.pk).update(email="alice2@example.com")
    response = boss.client.post(reverse("admin:billing_creditgrant_process_import"), carried, follow=True)
    assert "Nothing was granted" in response.content.decode()
    assert balance(bob) == 3
    assert not AuditRecord.objects.exists()


def test_a_confirmation_that_carries_no_file_is_refused(boss: Staff) -> None:
    carried = {"import_file_name": "../../etc/passwd", "original_file_name": "x", "format": "0", "resource": "0"}
    assert boss.post("billing_creditgrant_process_import", **carried).status_code == 400


def test_a_files_content_is_shown_as_text(boss: Staff, alice: User) -> None:
    evil = "<script>alert(1)</script>"
    for content in (f"alice@example.com,1,{evil},r", f"{evil},1,x,r"):
        text = preview(boss, HEAD + content + "\n").content.decode()
        assert evil not in text
        assert "&lt;script&gt;" in text


def test_support_imports_nothing(support: Staff, alice: User) -> None:
    assert preview(support, HEAD + "alice@example.com,1,x,r\n").status_code == 403
    assert support.post("billing_creditgrant_process_import").status_code == 403
    assert "/import/" not in support.text("billing_creditgrant_changelist")
