"""An image costs what its model, operation, size and quality do, as it was at admission, and returns just that."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from billing.models import CreditEntry, CreditLine, Wallet
from generator.ask import admission, callers, one_statement, prices
from generator.ask.admission import Admission, ImageRequest
from generator.errors import (
    IdempotencyConflict,
    InputGone,
    InvalidRequest,
    KeyLimitReached,
    NotOffered,
    OutOfCredits,
    UpstreamPaused,
)
from generator.files.images import StoredImage
from generator.jobs import caps, lifecycle
from generator.jobs.receipt import receipt_of
from generator.library import usage
from generator.models import Generation, Group, ImageModel, Input, KeyMonth, Operation, Price, Route, Upload, Upstream
from tests.billing import books
from tests.billing.books import audit
from tests.conftest import Api
from tests.generator.test_admission import at_once
from tests.generator.test_one_statement import soon, step_by_step

pytestmark = pytest.mark.services

PIER = ImageRequest("a pier")
WAYS = [lambda *asked: asyncio.run(soon(*asked)), step_by_step]  # in
STORED = StoredImage("png", 1000, 64, 64, "#808080")


@pytest.fixture
def first(transactional_db: None) -> ImageModel:
    """The first model of all."""
    return ImageModel.objects.get()


@pytest.fixture
def flux(first: ImageModel) -> ImageModel:
    """A second one that draws and edits in three sizes and two qualities, at no price of its own yet."""
    model = ImageModel.objects.create(
        slug="flux",
        name="Flux",
        operations=["create", "edit", "remix"],
        aspect_ratios=["1:1", "16:9"],
        sizes=["1K", "2K", "4K"],
        qualities=["standard", "high"],
        order=1,
    )
    for operation in ("create", "edit"):
        Route.objects.create(model=model, operation=operation, upstream=Upstream.objects.get())
    return model


def cost(model: ImageModel, credits: int, operation: str = "create", size: str = "", quality: str = "") -> Price:
    """Begin a price."""
    price = Price.objects.create(model=model, operation=operation, size=size, quality=quality, credits=credits)
    prices.forget()
    return price


def balance(wallet: Wallet) -> int:
    return Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)


# --- What an image costs -------------------------------------------------------------------------------------------


def test_everything_costs_a_credit_until_somebody_prices_it(first: ImageModel, flux: ImageModel) -> None:
    assert prices.price_of(first, Operation.CREATE) == prices.price_of(flux, Operation.EDIT, "4K", "high") == 1
    assert (prices.an_image_costs(), prices.is_one()) == ("1 credit", True)


def test_the_nearest_price_holds(flux: ImageModel) -> None:
    for credits, size, quality in ((2, "", ""), (3, "", "high"), (4, "2K", ""), (9, "2K", "high")):
        cost(flux, credits, size=size, quality=quality)
    of = partial(prices.price_of, flux, Operation.CREATE)
    assert [of(), of("4K"), of("1K", "high"), of("2K"), of("2K", "high")] == [2, 2, 3, 4, 9]
    assert prices.price_of(flux, Operation.EDIT, "2K", "high") == 1
    assert prices.an_image_costs() == "from 1 credit"


def test_what_is_used_unasked_has_its_own_price(flux: ImageModel) -> None:
    """A request without a size is drawn in the first one."""
    cost(flux, 5, size="1K", quality="standard")
    assert prices.price_of(flux, Operation.CREATE) == 5
    quote = prices.quote(replace(PIER, model=flux))
    assert (quote.model, quote.size, quote.quality, quote.credits) == (flux, "1K", "standard", 5)


def test_the_price_that_began_last_holds(first: ImageModel) -> None:
    soon_dearer = timezone.now() + timedelta(hours=1)
    Price.objects.create(model=first, credits=9, since=soon_dearer)
    cost(first, 3)
    assert (prices.an_image_costs(), prices.is_one()) == ("3 credits", False)


def test_a_price_is_written_once(first: ImageModel) -> None:
    price = cost(first, 3)
    price.credits = 1
    with pytest.raises(TypeError, match="never changed"):
        price.save()
    with pytest.raises(TypeError, match="never changed"):
        Price.objects.update(credits=1)
    with pytest.raises(TypeError, match="never deleted"):
        price.delete()


def test_a_new_price_is_known_within_a_second_and_asked_for_once(
    first: ImageModel, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    assert prices.unasked() == 1
    with django_assert_num_queries(0):
        prices.unasked()
    Price.objects.create(model=first, credits=3)
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1)
    assert prices.unasked() == 3


def test_while_one_reads_the_prices_anew_the_others_go_on(first: ImageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prices.unasked()
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1)
    read, begun, go_on, reads = prices._read, threading.Event(), threading.Event(), []

    def slowly() -> prices.Catalogue:
        reads.append(1)
        begun.set()
        assert go_on.wait(10)
        return read()

    monkeypatch.setattr(prices, "_read", slowly)
    Price.objects.create(model=first, credits=3)

    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(prices.current)
        assert begun.wait(10)
        assert [prices.unasked(), asyncio.run(prices.quote_soon(PIER)).credits] == [1, 1]
        go_on.set()
        assert one.result(10).price_of(first, Operation.CREATE, "", "") == 3
        pool.submit(connections.close_all).result()
    assert len(reads) == 1


def test_a_script_reads_the_price_of_every_choice(first: ImageModel, flux: ImageModel) -> None:
    cost(flux, 3, "edit", "2K")
    assert '"edit": {"|": 1, "|standard": 1, "|high": 1, "1K|": 1' in prices.prices_json()
    assert '"2K|high": 3' in prices.prices_json([flux])
    assert first.slug not in prices.prices_json([flux])


# --- What is not offered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"aspect_ratio": "3:4"}, "aspect_ratio"),
        ({"size": "8K"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"operation": Operation.REMIX}, "model"),  # there is no route for it
    ],
)
def test_what_a_model_does_not_offer_is_refused_by_its_field(
    wallet: Wallet, flux: ImageModel, wanted: dict[str, Any], param: str
) -> None:
    with pytest.raises(NotOffered) as error:
        admission.admit(wallet=wallet, request=replace(PIER, model=flux, **wanted))
    assert error.value.param == param
    assert balance(wallet) == 3
    assert not Group.objects.exists()


def test_a_model_without_a_choice_takes_none(wallet: Wallet, first: ImageModel) -> None:
    for wanted in ({"size": "2K"}, {"quality": "high"}):
        with pytest.raises(NotOffered, match="has no choice of it"):
            admission.admit(wallet=wallet, request=ImageRequest("a pier", **wanted))  # type: ignore[arg-type]


def test_a_model_that_was_put_away_is_refused(wallet: Wallet, flux: ImageModel) -> None:
    ImageModel.objects.filter(pk=flux.pk).update(is_active=False)
    with pytest.raises(NotOffered, match="not offered any more"):
        admission.admit(wallet=wallet, request=replace(PIER, model=flux))
    assert prices.model_called("flux") is None


def test_unasked_it_is_the_first_model_that_does_it(wallet: Wallet, first: ImageModel, flux: ImageModel) -> None:
    assert prices.offered() == (first, flux)
    assert admission.admit(wallet=wallet, request=PIER).generation.image_model == first
    assert prices.quote(replace(PIER, operation=Operation.EDIT)).model == flux
    with pytest.raises(NotOffered, match="there is none that can draw from reference pictures"):
        prices.quote(replace(PIER, operation=Operation.REMIX))


def test_without_any_model_nothing_is_taken_on(wallet: Wallet, first: ImageModel) -> None:
    Route.objects.update(is_active=False)
    with pytest.raises(UpstreamPaused):
        admission.admit(wallet=wallet, request=PIER)
    assert prices.offered() == ()
    assert prices.unasked() == 1


# --- One entry for each image ----------------------------------------------------------------------------------------


def test_the_price_is_held_in_one_entry_and_settled(
    wallet: Wallet, flux: ImageModel, give: Callable[[int], None]
) -> None:
    give(10)
    cost(flux, 5)
    admitted = admission.admit(wallet=wallet, request=replace(PIER, model=flux))
    generation = admitted.generation
    assert (admitted.credits_charged, admitted.credits_remaining, generation.credits) == (5, 8, 5)
    hold = CreditEntry.objects.get(reference=generation.credit_reference)
    assert [line.amount for line in CreditLine.objects.filter(entry=hold).order_by("grant_id")] == [-3, -2]
    cost(flux, 50)  # changes nothing for what was asked for before
    complete(generation)
    assert (balance(wallet), receipt_of(generation).cost) == (8, 5)
    assert [step.words for step in receipt_of(generation).steps if "Credit" in step.words] == [
        "Credits set aside",
        "Credits spent",
    ]
    books.give_back(generation.credit_reference)
    assert audit(wallet) == 13


def test_of_four_each_returns_its_own(wallet: Wallet, flux: ImageModel, give: Callable[[int], None]) -> None:
    give(20)
    cost(flux, 4)
    admitted = admission.admit(wallet=wallet, request=replace(PIER, model=flux, count=4))
    assert (admitted.credits_charged, balance(wallet)) == (16, 7)
    cost(flux, 1)
    one, two, three, four = admitted.generations
    complete(one)
    lifecycle.fail(two, code="upstream_failed", message="The brush broke.")
    assert lifecycle.cancel(three)
    two.refresh_from_db()
    assert two.returned == "Your 4 credits were returned."
    assert audit(wallet) == 15
    complete(four)
    assert audit(wallet) == 15
    days = usage.of_days(wallet, 7)
    assert (days.images, days.credits, days.failed) == (2, 8, 2)


def test_a_balance_that_does_not_cover_the_price_says_what_is_needed(wallet: Wallet, flux: ImageModel) -> None:
    cost(flux, 2)
    with pytest.raises(OutOfCredits) as error:
        admission.admit(wallet=wallet, request=replace(PIER, model=flux, count=2))
    assert (error.value.balance, error.value.needed) == (3, 4)
    assert audit(wallet) == 3


def complete(generation: Generation) -> None:
    Generation.objects.filter(pk=generation.pk).update(status="drawing", claim="me")
    generation.refresh_from_db()
    assert lifecycle.complete(generation, image=STORED, model="flux")


# --- Both ways in --------------------------------------------------------------------------------------------------


@pytest.fixture
def hundred(api: Api, wallet: Wallet, give: Callable[[int], None], first: ImageModel) -> Api:
    """Alice's key, 100 credits in one grant, and images at 3 credits."""
    books.take(wallet, 3, reference="test:take")
    give(100)
    cost(first, 3)
    KeyMonth.objects.create(api_key=api.key, month=caps.month_of(timezone.now()), credits=0)
    return api


@pytest.fixture
def at_one_go(monkeypatch: pytest.MonkeyPatch) -> list[Generation]:
    """What one statement admitted."""
    found: list[Generation] = []
    admit = one_statement.admit

    async def note(caller: Any, group: Group, generation: Generation) -> int | None:
        left = await admit(caller, group, generation)
        found.extend([generation] * (left is not None))
        return left

    monkeypatch.setattr(one_statement, "admit", note)
    return found


@pytest.mark.parametrize("way", ["one statement", "step by step"])
def test_fifty_at_once_at_three_credits_each_get_what_a_hundred_are_enough_for(
    hundred: Api, wallet: Wallet, at_one_go: list[Generation], way: str
) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(soon(hundred.secret) for _ in range(50)), return_exceptions=True)

    if way == "one statement":
        callers.look_up(hundred.secret, None)
        results = asyncio.run(all_at_once())
    else:
        results = at_once(50, lambda _: step_by_step(hundred.secret))
    assert sum(isinstance(result, Admission) for result in results) == 33, results
    assert sum(isinstance(result, OutOfCredits) for result in results) == 17, results
    assert audit(wallet) == 1
    assert (
        CreditEntry.objects.filter(kind="hold", amount=-3).count() == Generation.objects.filter(credits=3).count() == 33
    )
    assert KeyMonth.objects.get(api_key=hundred.key).credits == 99
    if way == "one statement" and connection.vendor == "postgresql":
        assert len(at_one_go) == 33


@pytest.mark.parametrize("way", WAYS)
def test_what_lies_in_several_grants_is_drawn_from_all_of_them(
    hundred: Api, wallet: Wallet, give: Callable[[int], None], way: Callable[[str], Admission]
) -> None:
    books.take(wallet, 98, reference="test:most")
    give(5)
    assert way(hundred.secret).credits_remaining == 4
    lines = CreditLine.objects.filter(entry__kind="hold").order_by("grant_id")
    assert [line.amount for line in lines] == [-2, -1]
    assert audit(wallet) == 4


@pytest.mark.parametrize("way", WAYS)
def test_a_cap_counts_credits_and_not_images(hundred: Api, wallet: Wallet, way: Callable[[str], Admission]) -> None:
    type(hundred.key).objects.filter(pk=hundred.key.pk).update(monthly_credit_cap=8)
    admitted = [way(hundred.secret) for _ in range(2)]
    with pytest.raises(KeyLimitReached):
        way(hundred.secret)
    assert KeyMonth.objects.get(api_key=hundred.key).credits == 6
    lifecycle.fail(admitted[0].generation, code="upstream_failed", message="The brush broke.")
    assert KeyMonth.objects.get(api_key=hundred.key).credits == 3
    assert way(hundred.secret).credits_charged == 3
    assert audit(wallet) == 94


@pytest.mark.parametrize("way", WAYS)
def test_a_replay_after_the_price_has_changed_is_free_and_at_the_old_price(
    hundred: Api, wallet: Wallet, first: ImageModel, way: Any
) -> None:
    before = way(hundred.secret, PIER, "order-1")
    cost(first, 7)
    again = way(hundred.secret, PIER, "order-1")
    assert (again.replayed, again.credits_charged) == (True, 0)
    assert (again.generation.pk, again.generation.credits) == (before.generation.pk, 3)
    assert audit(wallet) == 97


@pytest.mark.parametrize("way", WAYS)
def test_the_mail_of_a_low_balance_is_noted_where_a_price_jumps_over_its_threshold(
    hundred: Api, wallet: Wallet, settings: Any, way: Callable[[str], Admission]
) -> None:
    settings.LOW_BALANCE_CREDITS = 96
    Wallet.objects.update(crossed_at=None)
    way(hundred.secret)
    assert Wallet.objects.get(pk=wallet.pk).crossed_at is None
    way(hundred.secret)
    assert Wallet.objects.get(pk=wallet.pk).crossed_at is not None


# --- Groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_a_group_of_its_own(hundred: Api, first: ImageModel, way: Callable[..., Admission]) -> None:
    one = way(hundred.secret, PIER, "order-1").generation
    two = way(hundred.secret, PIER).generation
    group, other = Group.objects.order_by("pk")
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.group, two.group) == (group, other)
    assert (group.source, group.operation, group.image_model, group.count) == ("api", "create", first, 1)
    assert (group.idempotency_key, other.idempotency_key) == ("order-1", None)
    assert (group.api_key, group.digest, group.created_at) == (hundred.key, one.request_digest, one.created_at)


def test_a_press_is_one_group(wallet: Wallet, first: ImageModel) -> None:
    admitted = admission.admit(wallet=wallet, request=replace(PIER, count=3), idempotency_key="studio:1")
    group = Group.objects.get()
    assert (group.source, group.count, group.api_key) == ("studio", 3, None)
    assert {one.group for one in Generation.objects.all()} == {group}
    again = admission.admit(wallet=wallet, request=replace(PIER, count=3), idempotency_key="studio:1")
    assert (again.generations, Group.objects.count()) == (admitted.generations, 1)


def test_another_model_size_or_operation_under_the_same_key_is_a_conflict(
    wallet: Wallet, first: ImageModel, flux: ImageModel
) -> None:
    admission.admit(wallet=wallet, request=PIER, idempotency_key="one")
    for other in ({"model": flux}, {"model": flux, "size": "2K"}, {"operation": Operation.EDIT}, {"size": "2K"}):
        with pytest.raises(IdempotencyConflict):
            admission.admit(wallet=wallet, request=replace(PIER, **other), idempotency_key="one")
    named = admission.admit(wallet=wallet, request=replace(PIER, model=first), idempotency_key="one")
    assert named.replayed


def test_the_first_model_is_no_longer_the_default_and_its_name_asks_for_it(
    wallet: Wallet, first: ImageModel, flux: ImageModel
) -> None:
    ImageModel.objects.filter(pk=flux.pk).update(order=0)
    ImageModel.objects.filter(pk=first.pk).update(order=5)
    assert admission.admit(wallet=wallet, request=PIER, idempotency_key="one").generation.image_model == flux
    with pytest.raises(IdempotencyConflict):
        admission.admit(wallet=wallet, request=replace(PIER, model=first), idempotency_key="one")


# --- Inputs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def picture(generation: Generation) -> Generation:
    """An image of Alice's own, for 1 of her 3 credits."""
    complete(generation)
    return Generation.objects.get(pk=generation.pk)


def upload(wallet: Wallet, **fields: Any) -> Upload:
    later = timezone.now() + timedelta(days=30)
    return Upload.objects.create(
        wallet=wallet, extension="png", sha256="0" * 64, size=9, width=1, height=1, expires_at=later, **fields
    )


def test_an_edit_has_its_own_price_and_its_pictures_on_record(
    wallet: Wallet, flux: ImageModel, picture: Generation, give: Callable[[int], None]
) -> None:
    give(4)
    cost(flux, 3, "edit")
    mask = upload(wallet)
    request = ImageRequest("at night", operation=Operation.EDIT, model=flux, inputs=(picture,), mask=mask)
    admitted = admission.admit(wallet=wallet, request=request)
    assert (admitted.credits_charged, admitted.credits_remaining) == (3, 3)
    group = Group.objects.get(operation="edit")
    assert (group.mask, group.image_model, admitted.generation.operation) == (mask, flux, "edit")
    assert [(one.position, one.generation, one.upload) for one in Input.objects.filter(group=group)] == [
        (1, picture, None)
    ]
    assert request.digest != replace(request, mask=None).digest != replace(request, inputs=()).digest


@pytest.mark.parametrize(
    ("operation", "pictures", "param"),
    [(Operation.CREATE, 1, "image"), (Operation.EDIT, 0, "image"), (Operation.EDIT, 2, "image")],
)
@pytest.mark.parametrize("way", WAYS)
def test_pictures_that_an_operation_has_no_use_for_are_refused(
    hundred: Api, flux: ImageModel, picture: Generation, way: Any, operation: Operation, pictures: int, param: str
) -> None:
    before = balance(picture.wallet)
    with pytest.raises(InvalidRequest) as error:
        way(hundred.secret, ImageRequest("at night", operation=operation, model=flux, inputs=(picture,) * pictures))
    assert error.value.param == param
    assert balance(picture.wallet) == before


@pytest.mark.parametrize("what", ["trashed", "a stranger's", "a deleted upload"])
def test_a_picture_that_is_gone_charges_nothing(
    wallet: Wallet, bob: Any, flux: ImageModel, picture: Generation, what: str
) -> None:
    inputs: tuple[Any, ...] = (picture,)
    if what == "trashed":
        Generation.objects.update(deleted_at=timezone.now())
    elif what == "a stranger's":
        inputs = (upload(Wallet.objects.create(user=bob)),)
    else:
        inputs = (upload(wallet, deleted_at=timezone.now()),)
    with pytest.raises(InputGone) as error:
        admission.admit(
            wallet=wallet, request=ImageRequest("at night", operation=Operation.EDIT, model=flux, inputs=inputs)
        )
    assert error.value.param == "image"
    assert audit(wallet) == 2
    assert not Input.objects.exists()
