"""Acts on many as work that survives whoever does it: each line once, whatever is killed, paused or done twice."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connections
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiKey, User
from billing import ledger
from billing.bulk import drafts, kinds, working
from billing.bulk.kinds import GRANT
from billing.models import AuditRecord, Bulk, BulkLine, CreditEntry, CreditGrant, HeldWelcome, Wallet
from billing.staff import acts, audit, forgetting, roles

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _books_balance(transactional_db: None) -> Iterator[None]:
    yield
    assert list(audit.drifts()) == []


@pytest.fixture
def people(transactional_db: None) -> list[User]:
    users = User.objects.bulk_create(User(email=f"p{number:03}@example.com") for number in range(30))
    return list(users)


@pytest.fixture
def bulk(sam: User, people: list[User]) -> Bulk:
    """A grant of 5 credits to thirty people, confirmed."""
    rows = User.objects.filter(email__startswith="p").order_by("email")
    made = drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=rows, source="Everybody")
    assert working.confirm(actor=sam, bulk=made, values={"credits": 5}, reason="A fair")
    return made


def granted() -> int:
    return CreditGrant.objects.filter(source="staff").count()


def again(bulk: Bulk) -> Bulk:
    """Have a worker go on with what another one left."""
    Bulk.objects.filter(pk=bulk.pk).update(due_at=timezone.now())
    working.run(bulk.pk)
    return Bulk.objects.get(pk=bulk.pk)


def test_each_line_is_done_once_and_the_end_is_on_record(bulk: Bulk) -> None:
    ended = again(bulk)
    assert (ended.state, ended.counts, granted()) == ("done", {"done": 30}, 30)
    assert CreditEntry.objects.filter(reference__startswith=f"bulk:{bulk.pk}:", amount=5).count() == 30
    assert AuditRecord.objects.filter(action=acts.Act.GRANT.value).count() == 30
    assert AuditRecord.objects.get(action=acts.Act.END_BULK.value).after == {"bulk": bulk.pk, "done": 30}
    assert again(bulk).counts == {"done": 30}


def test_it_is_begun_once(sam: User, bulk: Bulk) -> None:
    assert not working.confirm(actor=sam, bulk=bulk, values={"credits": 500}, reason="Again")
    assert Bulk.objects.get().values == {"credits": 5}
    assert AuditRecord.objects.filter(action=acts.Act.BEGIN_BULK.value).count() == 1


def test_workers_at_once_do_each_line_once(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each had lost its claim to the next without noticing."""
    monkeypatch.setattr(working._Hold, "renew", lambda self: None)
    claims = [Bulk.objects.select_related("actor").get(pk=bulk.pk) for _ in range(4)]
    gate = threading.Barrier(len(claims))

    def work(claimed: Bulk) -> None:
        try:
            gate.wait(30)
            working._work(claimed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[claimed]) for claimed in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert working.counts(bulk)["done"] == granted() == 30


def test_a_worker_that_is_killed_leaves_the_rest_to_the_next(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "LINES_TOGETHER", 3)
    real, done = acts.grant, list[int]()

    def dies(**named: Any) -> Any:
        entry = real(**named)
        done.append(1)
        if len(done) == 7:  # after the credits, before the transaction ends
            raise KeyboardInterrupt
        return entry

    with monkeypatch.context() as patch:
        patch.setattr(acts, "grant", dies)
        with pytest.raises(KeyboardInterrupt):
            working.run(bulk.pk)
    assert granted() == 6
    working.run(bulk.pk)  # its claim has not lapsed
    assert granted() == 6
    assert again(bulk).state == "done"
    assert granted() == 30


def test_a_database_that_fails_fails_no_line(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(acts, "grant", away)
        working.run(bulk.pk)
    found = Bulk.objects.get(pk=bulk.pk)
    assert (found.state, "away" in found.last_error, working.counts(found)["waiting"]) == ("running", True, 30)
    assert working.trouble() == "1 act on many cannot go on at the moment."
    assert again(bulk).state == "done"
    assert working.trouble() is None


def test_paused_it_stops_before_the_next_line_and_goes_on(
    sam: User, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "RENEWED_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(working, "LINES_TOGETHER", 4)
    real = acts.grant

    def pauses(**named: Any) -> Any:
        if named["reference"].endswith(":4"):
            assert working.pause(actor=sam, bulk=bulk)
        return real(**named)

    with monkeypatch.context() as patch:
        patch.setattr(acts, "grant", pauses)
        assert again(bulk).state == "paused"
    assert again(bulk).state == "paused"
    assert granted() == 4
    assert working.resume(actor=sam, bulk=bulk)
    assert again(bulk).state == "done"
    assert granted() == 30


def test_cancelled_it_ends_and_what_is_done_stays(sam: User, bulk: Bulk) -> None:
    assert working.cancel(actor=sam, bulk=bulk)
    assert (again(bulk).state, granted()) == ("cancelled", 0)
    assert not working.resume(actor=sam, bulk=bulk)


def test_once_it_is_cancelled_nothing_more_is_done_and_its_figures_say_what_was(
    sam: User, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "LINES_TOGETHER", 3)
    real, asked, seen = acts.grant, threading.Event(), list[int]()

    def cancel() -> None:
        try:
            assert working.cancel(actor=sam, bulk=bulk)
            seen.append(granted())
        finally:
            asked.set()
            connections.close_all()

    canceller = threading.Thread(target=cancel)

    def grants(**named: Any) -> Any:
        if named["reference"].endswith(":2"):
            canceller.start()
        elif named["reference"].endswith(":10"):
            asked.wait(1)  # it is through by now, or waits for these
        return real(**named)

    together = working._do_together

    def in_no_hurry(kind: Any, bulk: Bulk, lines: list[BulkLine]) -> None:
        if lines[0].number > 12:
            asked.wait(60)  # on a busy machine it comes no sooner, and it waits for nothing that is held here
        together(kind, bulk, lines)

    monkeypatch.setattr(working, "_do_together", in_no_hurry)
    monkeypatch.setattr(acts, "grant", grants)
    again(bulk)
    canceller.join(60)
    counts = working.counts(Bulk.objects.get(pk=bulk.pk))
    assert seen == [granted()] == [counts["done"]] == [30 - counts["waiting"]]
    assert granted() < 30


def test_what_is_out_of_date_since_it_was_confirmed_fails_its_line(sam: User, bulk: Bulk, people: list[User]) -> None:
    assert working.pause(actor=sam, bulk=bulk)
    User.objects.filter(pk=people[0].pk).update(deleted_at=timezone.now(), is_active=False)
    assert working.resume(actor=sam, bulk=bulk)
    assert again(bulk).counts == {"done": 29, "failed": 1}
    late = drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=User.objects.filter(pk=people[1].pk), source="One")
    over = {"credits": 5, "expires_at": timezone.now().isoformat()}
    assert working.confirm(actor=sam, bulk=late, values=over, reason="A fair")
    assert again(late).counts == {"failed": 1}
    assert sorted(BulkLine.objects.filter(state="failed").values_list("words", flat=True)) == [
        "The account was deleted.",
        "The last day on which these could be used is over.",
    ]
    assert granted() == 29


def test_a_reference_that_brought_somebody_else_credits_meanwhile_is_told(sam: User, people: list[User]) -> None:
    head = "email,credits,reason,reference\n"
    made = []
    for person, credits in ((people[0], 5), (people[1], 7), (people[0], 5)):
        row = f"{person.email},{credits},A fair,fair-1\n"
        made.append(drafts.of_file(actor=sam, name="grants.csv", content=(head + row).encode()))
        again(made[-1])
    for each in made:
        each.refresh_from_db()
        assert working.confirm(actor=sam, bulk=each, values={}, reason="grants.csv")
    assert [again(each).counts for each in made] == [{"done": 1}, {"failed": 1}, {"skipped": 1}]
    told = f"Its reference was used before, for 5 credits to {people[0].email}."
    assert made[1].lines.get().words == told
    assert granted() == 1


def test_a_slice_puts_the_rest_back(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "SLICE_SECONDS", -1.0)
    found = again(bulk)
    assert (found.state, found.claim, granted()) == ("running", "", 0)
    monkeypatch.setattr(working, "SLICE_SECONDS", 20.0)
    assert again(bulk).state == "done"


def test_the_daily_limit_of_whoever_confirmed_it_holds_line_by_line(
    sam: User, people: list[User], settings: Any
) -> None:
    ann = _support(sam)
    settings.SUPPORT_GRANT_LIMIT, settings.SUPPORT_GRANT_DAILY_LIMIT = 100, 60
    rows = User.objects.filter(email__startswith="p").order_by("email")
    made = drafts.of_rows(actor=ann, kind=kinds.of(GRANT), rows=rows, source="Everybody")
    assert working.confirm(actor=ann, bulk=made, values={"credits": 2}, reason="A fair")
    acts.grant(actor=ann, wallet=ledger.wallet_of(people[0].pk), credits=10, reason="x", reference="staff:1")
    ended = again(made)
    assert ended.counts == {"done": 25, "failed": 5}
    assert acts.left_today(ann) == 0


def test_a_permission_that_is_lost_meanwhile_stops_the_rest(sam: User, bulk: Bulk) -> None:
    User.objects.filter(pk=sam.pk).update(is_superuser=False)
    assert again(bulk).counts == {"failed": 30}
    assert granted() == 0


@pytest.mark.parametrize(("most", "left", "may"), [(150, 150, True), (149, 150, False), (150, 149, False)])
def test_another_leads_a_grant_whose_rest_they_may_grant_themselves(
    most: int, left: int, may: bool, sam: User, bulk: Bulk, settings: Any
) -> None:
    """Thirty times five credits."""
    ann = _support(sam)
    settings.SUPPORT_GRANT_LIMIT, settings.SUPPORT_GRANT_DAILY_LIMIT = most, left
    assert working.pause(actor=ann, bulk=bulk)
    bulk.refresh_from_db()
    assert working.may_lead(ann, bulk) == may
    for step in (working.resume, working.cancel):
        if may:
            assert step(actor=ann, bulk=bulk)
        else:
            with pytest.raises(PermissionDenied):
                step(actor=ann, bulk=bulk)
    assert Bulk.objects.get().state == ("cancelled" if may else "paused")


def test_another_leads_what_is_left_and_whoever_grants_any_number_leads_all(
    sam: User, bulk: Bulk, settings: Any
) -> None:
    ann = _support(sam)
    settings.SUPPORT_GRANT_LIMIT = settings.SUPPORT_GRANT_DAILY_LIMIT = 20
    bulk.lines.filter(number__gt=4).update(state="done")
    assert working.may_lead(ann, bulk)
    Bulk.objects.filter(pk=bulk.pk).update(file_digest="x")
    assert not working.may_lead(ann, Bulk.objects.get())
    acts.set_role(actor=sam, user=ann, role="finance", reason="Promoted")
    assert working.may_lead(User.objects.get(pk=ann.pk), Bulk.objects.get())


def test_welcome_credits_count_as_any_where_another_leads(sam: User, people: list[User], settings: Any) -> None:
    ann = _support(sam)
    for user in people[:3]:
        HeldWelcome.objects.create(wallet=ledger.wallet_of(user.pk), reason="network", credits=7)
    rows = HeldWelcome.objects.select_related("wallet__user").order_by("pk")
    made = drafts.of_rows(actor=sam, kind=kinds.of("give_welcome"), rows=rows, source="Everything")
    settings.SUPPORT_GRANT_LIMIT = 20
    assert not working.may_lead(ann, made)
    settings.SUPPORT_GRANT_LIMIT = 21
    assert working.may_lead(ann, made)


def test_an_act_that_brings_no_credits_is_led_by_who_may_do_it(sam: User, people: list[User]) -> None:
    ann = _support(sam)
    key = ApiKey.objects.create(user=people[0], name="k", prefix="rv_1", digest="x")
    made = drafts.of_rows(actor=sam, kind=kinds.of("revoke_keys"), rows=ApiKey.objects.filter(pk=key.pk), source="All")
    assert working.may_lead(ann, made)
    rows = User.objects.filter(pk=people[0].pk)
    made = drafts.of_rows(actor=sam, kind=kinds.of("suspend"), rows=rows, source="All")
    assert not working.may_lead(ann, made)


def _support(sam: User) -> User:
    roles.sync()
    ann = User.objects.create(email="ann@staff.example")
    acts.set_role(actor=sam, user=ann, role="support", reason="Hired")
    return User.objects.get(pk=ann.pk)


def test_who_may_not_act_takes_nothing_down(alice: User) -> None:
    with pytest.raises(PermissionDenied):
        drafts.of_rows(actor=alice, kind=kinds.of(GRANT), rows=User.objects.all(), source="")
    assert not Bulk.objects.exists()


def test_drafts_go_after_a_while_and_lines_later(sam: User, bulk: Bulk) -> None:
    again(bulk)
    draft = drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=User.objects.order_by("pk"), source="")
    old = timezone.now() - drafts.KEPT_LINES * 2
    Bulk.objects.filter(pk=draft.pk).update(created_at=old)
    Bulk.objects.filter(pk=bulk.pk).update(finished_at=old)
    assert drafts.tidy() == 2
    assert not BulkLine.objects.exists()
    assert working.counts(Bulk.objects.get())["done"] == 30


def test_a_cancelled_ones_figures_outlive_its_lines(sam: User, bulk: Bulk) -> None:
    assert working.cancel(actor=sam, bulk=bulk)
    Bulk.objects.update(finished_at=timezone.now() - drafts.KEPT_LINES * 2)
    assert drafts.tidy() == 1
    assert not BulkLine.objects.exists()
    assert working.counts(Bulk.objects.get())["waiting"] == 30


def test_a_draft_that_is_confirmed_as_it_is_dropped_goes_on(
    sam: User, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=User.objects.filter(pk=people[0].pk), source="")
    Bulk.objects.update(created_at=timezone.now() - drafts.KEPT_DRAFT * 2)
    real = QuerySet.__getitem__

    def confirmed(rows: Any, at: Any) -> Any:
        if rows.model is Bulk:
            found = list(real(rows, at))
            working.confirm(actor=sam, bulk=draft, values={"credits": 5}, reason="A fair")
            return found
        return real(rows, at)

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "__getitem__", confirmed)
        drafts.tidy()
    assert again(draft).counts == {"done": 1}


def test_rows_that_were_not_all_taken_down_cannot_be_confirmed(
    sam: User, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process had died between two of them; nobody who writes beside it waits for all."""
    monkeypatch.setattr(drafts, "AT_ONCE", 7)
    make, sizes = BulkLine.objects.bulk_create, list[int]()

    def dies(lines: list[BulkLine]) -> list[BulkLine]:
        assert not connections["default"].in_atomic_block
        if len(sizes) == 3:
            raise SystemExit
        sizes.append(len(lines))
        return make(lines)

    rows = User.objects.filter(email__startswith="p").order_by("email")
    monkeypatch.setattr(BulkLine.objects, "bulk_create", dies)
    with pytest.raises(SystemExit):
        drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=rows, source="Everybody")
    left = Bulk.objects.get()
    assert (sizes, left.lines.count(), left.state) == ([7, 7, 7], 21, "faulty")
    assert not working.confirm(actor=sam, bulk=left, values={"credits": 5}, reason="A fair")
    assert working.waiting() == []


def test_more_rows_than_one_act_may_have_are_refused_before_one_is_taken_down(
    sam: User, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST_LINES", 29)
    with pytest.raises(drafts.TooMany):
        drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=User.objects.order_by("pk"), source="Everybody")
    assert not Bulk.objects.exists()


def test_rows_that_come_while_others_are_counted_are_no_reason_to_leave_some_out(
    sam: User, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST_LINES", 30)
    real = QuerySet.count

    def count(rows: QuerySet[Any]) -> int:
        found = real(rows)
        User.objects.create(email="p999@example.com")
        return found

    monkeypatch.setattr(QuerySet, "count", count)
    rows = User.objects.filter(email__startswith="p").order_by("email")
    with pytest.raises(drafts.TooMany):
        drafts.of_rows(actor=sam, kind=kinds.of(GRANT), rows=rows, source="Everybody")
    assert not Bulk.objects.exists()


NAMES = [
    ('0, "credits"', 'Given to 0, "credits" by hand'),
    ('Ann "Boss" Lee', 'Ann "Boss" Lee asked'),
    ("e a", "We are all right, e a said"),
    ("Li Na", "Li Na " * 49),
]


@pytest.mark.parametrize(("name", "words"), NAMES)
def test_a_name_goes_out_of_what_was_written_whatever_it_looks_like(
    sam: User, people: list[User], name: str, words: str
) -> None:
    wallet = ledger.wallet_of(people[0].pk)
    acts.grant(actor=sam, wallet=wallet, credits=5, reason=words.strip(), reference="staff:1")
    QuerySet(AuditRecord).filter(wallet=wallet).update(before={"said": [words, 7], "credits": 5})
    forgetting.forget(wallet, [people[0].email, name])
    record, entry = AuditRecord.objects.get(wallet=wallet), CreditEntry.objects.get(reference="staff:1")
    for told in (record.reason, record.before["said"][0], entry.cause):
        assert f" {name} " not in f" {told} "
        assert "[deleted]" in told
    assert (record.before["credits"], record.before["said"][1]) == (5, 7)
    assert len(record.reason) <= 300
    if name == "e a":
        assert record.reason == "We are all right, [deleted] said"


def test_a_deleted_accounts_name_leaves_its_lines(bulk: Bulk, people: list[User]) -> None:
    again(bulk)
    wallet = Wallet.objects.get(user=people[0])
    forgetting.forget(wallet, [people[0].email])
    assert not BulkLine.objects.filter(label=people[0].email).exists()
