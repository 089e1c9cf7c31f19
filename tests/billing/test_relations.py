"""What belongs together in the books does so by relations; the audit names whatever does not."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.ledger import statement
from billing.models import CreditEntry, CreditGrant, Refund, Wallet
from billing.staff import audit as drift
from tests.billing import books
from tests.billing.books import audit

HOLD = "generation:img_1"


@pytest.fixture
def pack(wallet: Wallet) -> CreditGrant:
    """50 credits, and nothing beside them."""
    books.take(wallet, 3, reference="staff:welcome")
    return books.grant(wallet, 50, reference="checkout:cs_1")


def chain(entry: CreditEntry) -> Iterator[str]:
    """Yield the kinds of an entry and of what it goes back to."""
    yield entry.kind
    if entry.of:
        yield from chain(entry.of)


def test_each_end_leads_to_what_it_ends(wallet: Wallet, pack: CreditGrant) -> None:
    books.hold(wallet, reference=HOLD)
    books.settle(HOLD)
    assert list(chain(books.give_back(HOLD))) == ["release", "settle", "hold"]
    books.hold(wallet, reference="generation:img_2")
    assert list(chain(books.release("generation:img_2"))) == ["release", "hold"]
    books.follow_refunds(pack, 250, 500)
    books.follow_refunds(pack, 0, 500)
    assert list(chain(CreditEntry.objects.latest("pk"))) == ["restore", "claw_back"]
    assert list(drift.figures()) == []


def test_what_only_follows_has_no_reference_and_tells_what_it_is_about(wallet: Wallet, pack: CreditGrant) -> None:
    books.hold(wallet, reference=HOLD)
    books.settle(HOLD)
    books.give_back(HOLD)
    books.follow_refunds(pack, 250, 500)
    dispute = books.disputed(pack)
    books.freeze(pack, dispute)
    books.thaw(pack, dispute)
    told = [(entry.kind, entry.reference, entry.about) for entry in wallet.entries.order_by("pk")[3:]]
    assert told == [
        ("hold", HOLD, HOLD),
        ("settle", None, HOLD),
        ("release", None, HOLD),
        ("claw_back", None, "refund:ch_1"),
        ("claw_back", None, "dispute:du_1"),
        ("restore", None, "dispute:du_1"),
    ]
    assert [entry.kind for entry in statement.entries_about(wallet, HOLD)] == ["hold", "settle", "release"]


@pytest.mark.services
def test_the_books_are_written_as_they_close(wallet: Wallet, statements: list[str]) -> None:
    with ledger.books(wallet) as opened:
        opened.hold_each([(f"generation:{number}", "an image", 1) for number in range(3)])
        assert [sql for sql in statements if sql.startswith(("INSERT", "UPDATE"))] == []
        assert opened.balance == 0
    assert len([sql for sql in statements if sql.startswith(("INSERT", "UPDATE"))]) == 4
    assert audit(wallet) == 0


def test_what_raises_leaves_the_books_as_they_were(wallet: Wallet) -> None:
    def stop() -> None:
        with ledger.books(wallet) as opened:
            opened.take(credits=2, reference="staff:1", cause="x")
            opened.grant(credits=5, source=CreditGrant.Source.STAFF, reference="staff:2", cause="x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert audit(wallet) == 3
    assert wallet.entries.count() == 1


@pytest.mark.services
def test_one_block_may_do_much(wallet: Wallet, pack: CreditGrant) -> None:
    with ledger.books(wallet) as opened:
        opened.hold(credits=7, reference="a", cause="x")
        opened.hold(credits=5, reference="b", cause="x")
        assert opened.release(reference="a", cause="x").balance_after == 45
        opened.write_off(pack, cause="The plan has ended")
        assert opened.balance == 0
        opened.release(reference="b", cause="x")
        assert opened.balance == 5
    assert audit(wallet) == 5


@pytest.mark.services
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "settle"}, "settle does not end entry None"),
        ({"kind": "restore", "of": HOLD}, "restore does not end entry"),
        ({"kind": "release", "of": HOLD, "amount": 0}, "release does not end entry"),
        ({"kind": "grant", "of": HOLD}, "grant does not end entry"),
    ],
)
def test_the_audit_names_an_entry_that_ends_nothing(wallet: Wallet, wrong: dict[str, Any], words: str) -> None:
    books.hold(wallet, 1, reference=HOLD)
    if "of" in wrong:
        wrong = {**wrong, "of": CreditEntry.objects.get(reference=wrong["of"])}
    CreditEntry.objects.create(**{"wallet": wallet, "amount": 0, "balance_after": 2, **wrong})
    assert [words in line for line in drift.figures()] == [True]


@pytest.mark.services
def test_the_audit_names_a_claim_that_nobody_took(pack: CreditGrant) -> None:
    Refund.objects.create(grant=pack, refunded=1, paid=500, credits=1)
    assert [line.partition(" claims ")[2] for line in drift.figures()] == ["1, took 0 and is owed 0"]


# --- Whose wallet ----------------------------------------------------------------------------------------------


def test_a_person_and_their_keys_spend_from_one_wallet(
    alice: User, bob: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    key, secret = keys.mint(user=alice, name="Website")
    wallet = ledger.wallet_of(key)  # the first one to ask opens it
    assert wallet == ledger.wallet_of(alice.pk) != ledger.wallet_of(bob.pk)
    assert list(ledger.keys_of(wallet)) == [key]
    known = keys.verify(secret, also=(ledger.BESIDE_A_KEY,))
    with django_assert_num_queries(0):
        assert ledger.wallet_of(known) == wallet


def test_nothing_else_joins_a_person_and_a_wallet() -> None:
    """Lists of the admin may, to show whose something is."""
    joins = re.compile(r"user__wallet|\buser\.wallet\b|wallet__user(_id)?=")
    found = [
        f"{path.relative_to(settings.BASE_DIR)}: {line.strip()}"
        for app in ("accounts", "billing", "generator", "reveweb", "kit")
        for path in sorted(Path(settings.BASE_DIR, app).rglob("*.py"))
        if path.name not in ("wallets.py", "admin.py") and not {"admin", "migrations"} & set(path.parts)
        for line in path.read_text().splitlines()
        if joins.search(line)
    ]
    assert found == []
