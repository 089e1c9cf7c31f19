"""What images brought and cost: sums that were made by hand, and are the same to the last millionth."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import CreditGrant, Payment, Wallet
from generator.library import margin
from generator.library.margin import Row
from generator.models import DEFAULT_MODEL, Attempt, Generation, ImageModel, Upstream
from tests.billing import books

State = Attempt.State
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _nothing_left(wallet: Wallet, bob: User, sam: User) -> None:
    """Take what they have been given: it would be spent before what is sold here."""
    for each in (wallet, ledger.wallet_of(bob.pk), ledger.wallet_of(sam.pk)):
        each.refresh_from_db()
        books.take(each, each.balance, reference=f"taken:{each.pk}")


@pytest.fixture
def reve(wallet: Wallet) -> Upstream:
    return Upstream.objects.get(slug="reve")


@pytest.fixture
def studio(wallet: Wallet) -> Upstream:
    return Upstream.objects.create(slug="studio", name="Studio", dialect="openai_images", base_url="https://a.example")


@pytest.fixture
def sketch(wallet: Wallet) -> ImageModel:
    return ImageModel.objects.create(slug="sketch", name="Sketch", order=1)


def sold(wallet: Wallet, credits: int, amount: int, currency: str = "usd") -> Payment:
    """Sell credits for so many minor units."""
    reference = f"checkout:cs_{wallet.pk}_{credits}_{amount}"
    grant = books.grant(wallet, credits, reference=reference)
    about = {"reference": reference, "amount": amount, "currency": currency, "credits": credits}
    return Payment.objects.create(wallet=wallet, grant=grant, description="Credits", **about)


def asked(wallet: Wallet, credits: int, model: ImageModel | None = None) -> Generation:
    """Ask for an image that costs so many credits."""
    deadline = timezone.now() + HOUR
    generation = Generation.objects.create(
        wallet=wallet, prompt="a lighthouse", image_model=model, deadline_at=deadline, due_at=deadline
    )
    books.hold(wallet, credits, reference=generation.credit_reference)
    return generation


def tried(
    generation: Generation, upstream: Upstream, state: State, cost: str | None = None, currency: str = "USD"
) -> None:
    micros = None if cost is None else int(Decimal(cost) * 1_000_000)
    Attempt.objects.create(
        generation=generation,
        number=generation.attempts.count() + 1,
        upstream=upstream,
        state=state,
        cost_micros=micros,
        cost_currency="" if micros is None else currency,
        ended_at=timezone.now(),
    )


def drawn(
    wallet: Wallet,
    credits: int,
    upstream: Upstream,
    cost: str | None,
    currency: str = "USD",
    model: ImageModel | None = None,
) -> Generation:
    generation = asked(wallet, credits, model)
    tried(generation, upstream, State.DRAWN, cost, currency)
    books.settle(generation.credit_reference)
    return generation


def lately() -> dict[tuple[str, str], Row]:
    now = timezone.now()
    return {(row.model, row.upstream): row for row in margin.report(now - HOUR, now + HOUR).rows}


def money(**sums: str) -> dict[str, Decimal]:
    return {code: Decimal(amount) for code, amount in sums.items()}


def test_a_months_sums_are_those_made_by_hand(
    wallet: Wallet, bob: User, sam: User, reve: Upstream, studio: Upstream, sketch: ImageModel
) -> None:
    bobs, sams = ledger.wallet_of(bob.pk), ledger.wallet_of(sam.pk)
    sold(wallet, 100, 1000)  # $0.10 a credit
    sold(bobs, 50, 900, "eur")  # €0.18 a credit
    welcome = CreditGrant.Source.WELCOME
    books.grant(sams, 5, reference="welcome:sam", source=welcome)

    drawn(wallet, 2, reve, "0.04")  # of the first model, which older images do not name
    drawn(wallet, 2, reve, "0.04", model=ImageModel.objects.get(slug=DEFAULT_MODEL))
    elsewhere = asked(wallet, 2)  # one upstream took money and gave nothing, the next one drew
    tried(elsewhere, reve, State.UNCLEAR, "0.04")
    tried(elsewhere, studio, State.DRAWN, "3", "")
    books.settle(elsewhere.credit_reference)
    failed = asked(wallet, 2)
    tried(failed, reve, State.FAILED, "0.015")
    tried(failed, studio, State.NOT_TAKEN)
    books.release(failed.credit_reference)
    drawn(bobs, 3, studio, "0.05", "EUR", model=sketch)
    drawn(bobs, 3, studio, "0.07", "USD", model=sketch)
    drawn(sams, 2, reve, None)  # nobody paid for it, and nobody noted what it cost
    returned = drawn(wallet, 2, reve, "0.04")
    books.give_back(returned.credit_reference)
    asked(wallet, 2)  # is under way

    rows = lately()
    assert list(rows) == [(DEFAULT_MODEL, "reve"), (DEFAULT_MODEL, "studio"), ("sketch", "studio")]
    first = rows[DEFAULT_MODEL, "reve"]
    assert (first.images, first.credits, first.tries, first.unknown) == (3, 6, 6, 1)
    assert first.brought == money(USD="0.40")  # 2 × 2 × $0.10; the welcome credits nothing; the returned ones neither
    assert first.cost == money(USD="0.175")  # 4 × 0.04 + 0.015
    assert first.margin == money(USD="0.225")
    failover = rows[DEFAULT_MODEL, "studio"]
    assert (failover.images, failover.credits, failover.tries) == (1, 2, 2)
    assert (failover.brought, failover.cost) == (money(USD="0.20"), money())
    assert failover.their_credits == 3
    sketched = rows["sketch", "studio"]
    assert (sketched.images, sketched.credits, sketched.tries) == (2, 6, 2)
    assert sketched.brought == money(EUR="1.08")
    assert sketched.cost == money(EUR="0.05", USD="0.07")
    assert sketched.margin == money(EUR="1.03", USD="-0.07")  # not mixed

    whole = margin.total(rows.values())
    assert (whole.images, whole.credits, whole.tries) == (6, 14, 10)
    assert whole.margin == money(EUR="1.03", USD="0.355")


def test_what_is_outside_the_time_does_not_count(wallet: Wallet, reve: Upstream) -> None:
    sold(wallet, 100, 1000)
    before = drawn(wallet, 1, reve, "0.04")
    start = timezone.now()
    drawn(wallet, 2, reve, "0.05")
    books.give_back(before.credit_reference)  # counts when it was given back
    end = timezone.now()
    drawn(wallet, 4, reve, "0.06")

    [row] = margin.report(start, end).rows
    assert (row.images, row.credits, row.tries) == (0, 1, 1)
    assert (row.brought, row.cost) == (money(USD="0.10"), money(USD="0.05"))
    assert margin.report(start - HOUR, start - HOUR / 2).rows == []


def test_a_credit_is_worth_what_a_refund_left_of_its_payment(wallet: Wallet, reve: Upstream) -> None:
    payment = sold(wallet, 10, 100)
    drawn(wallet, 10, reve, "0.04")
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="1")

    assert payment.grant
    Payment.objects.update(refunded=50)
    books.follow_refunds(payment.grant, 50, 100)  # there was no credit left to take
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="0.5")


def test_a_refund_that_took_its_credits_leaves_the_others_their_worth(wallet: Wallet, reve: Upstream) -> None:
    payment = sold(wallet, 10, 100)
    assert payment.grant
    Payment.objects.update(refunded=50)
    books.follow_refunds(payment.grant, 50, 100)  # took five
    drawn(wallet, 2, reve, "0.04")
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="0.20")

    Payment.objects.update(refunded=0)
    books.follow_refunds(payment.grant, 0, 100)  # it failed: they are back, and so is the money
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="0.20")


def test_a_dispute_counts_once_it_is_lost(wallet: Wallet, reve: Upstream) -> None:
    payment = sold(wallet, 10, 500)
    drawn(wallet, 4, reve, "0.04")
    assert payment.grant
    dispute = books.disputed(payment.grant)
    books.freeze(payment.grant, dispute)
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="2")

    dispute.status = "lost"
    dispute.save()
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="0")


def test_thirds_of_a_cent_are_not_lost_on_the_way(wallet: Wallet, reve: Upstream) -> None:
    sold(wallet, 3, 100)
    for _ in range(3):
        drawn(wallet, 1, reve, None)
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="1")


def test_credits_of_two_sales_keep_their_own_worth(wallet: Wallet, reve: Upstream) -> None:
    sold(wallet, 1, 100)
    sold(wallet, 100, 2000, "jpy")  # yen have no smaller units
    drawn(wallet, 3, reve, None)
    assert lately()[DEFAULT_MODEL, "reve"].brought == money(USD="1", JPY="40")


def test_an_image_from_before_tries_were_kept_has_no_upstream(wallet: Wallet) -> None:
    sold(wallet, 10, 100)
    generation = asked(wallet, 1)
    books.settle(generation.credit_reference)
    assert lately()[DEFAULT_MODEL, ""].brought == money(USD="0.1")
