"""What test keys draw: real pictures that say TEST, for nothing, by no upstream, and in nobody's way."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import ApiKey
from billing import ledger
from billing.models import CreditEntry, Plan, Wallet
from generator.ask import admission, prices
from generator.ask.admission import Admission, ImageRequest
from generator.errors import IdempotencyConflict, TooManyAtOnce
from generator.files import images as stored_images
from generator.files import marks, samples
from generator.jobs import engine, lifecycle, outcomes, sampling, sweep, tasks, thumbnails
from generator.library import trash
from generator.models import ASPECT_RATIOS, Attempt, Generation, Group, ImageModel, KeyMonth, Operation, Route, Upload
from generator.models import Upstream as Upstreams
from kit import storage
from tests.billing.books import audit
from tests.generator.upstream import Upstream, drawing_with

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status = Generation.Status


@pytest.fixture
def upstream(settings: Any) -> Upstream:
    settings.UPSTREAM_TYPICAL_SECONDS = 0.15
    return Upstream()


@pytest.fixture
def key(wallet: Wallet) -> ApiKey:
    """A test key of Alice's, who may ask as often as she likes, and whose wallet is empty."""
    with ledger.books(wallet) as books:
        books.hold(reference="elsewhere", cause="elsewhere", credits=books.balance)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=10_000)
    wallet.refresh_from_db()
    return keys.mint(user=wallet.user, name="tests", is_test=True)[0]


@pytest.fixture
def ask(wallet: Wallet, key: ApiKey) -> Callable[..., Admission]:
    def ask(prompt: str = "a lighthouse", *, idempotency_key: str | None = None, **options: Any) -> Admission:
        request = ImageRequest(prompt=prompt, **options)
        return admission.admit(wallet=wallet, request=request, api_key=key, idempotency_key=idempotency_key)

    return ask


@pytest.fixture(autouse=True)
def _nothing_moved(wallet: Wallet) -> Iterator[None]:
    """Whatever a test does: its samples leave no trace in any book."""
    yield
    made = [generation.credit_reference for generation in Generation.objects.filter(is_test=True)]
    assert not CreditEntry.objects.filter(reference__in=made).exists()
    assert not Attempt.objects.filter(generation__is_test=True).exists()
    assert not KeyMonth.objects.filter(api_key__is_test=True).exists()
    audit(wallet)


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never came"
        time.sleep(0.01)


def draw() -> None:
    """Let one pass of an engine do what is due."""
    engine.send_now()


# --- The picture -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_a_sample_has_its_shape_and_is_small_and_quick(ratio: str) -> None:
    samples.paint("warm up the font", ratio)
    began = time.thread_time()
    data = samples.paint("A red fox", ratio)
    assert time.thread_time() - began < 0.5
    assert len(data) < 100_000
    picture = Image.open(io.BytesIO(data))
    across, down = map(int, ratio.split(":"))
    assert picture.width * down == picture.height * across
    assert 900_000 < picture.width * picture.height < 1_200_000


def test_its_colours_go_by_its_words() -> None:
    assert samples.paint("a", "1:1") == samples.paint("a", "1:1")
    assert len({samples.paint(prompt, "1:1") for prompt in "abcdef"}) == 6
    assert samples.paint("a", "1:1", variant="1") != samples.paint("a", "1:1", variant="2")


@pytest.mark.parametrize("prompt", ["מגדלור", "灯台", "a\nb\tc", "‮x", "n" * 4000, "😀"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert stored_images.verify(samples.paint(prompt, "16:9")).extension == "png"


# --- Its way ---------------------------------------------------------------------------------------------------


def test_it_is_drawn_without_credits_by_no_upstream(
    ask: Callable[..., Admission], wallet: Wallet, upstream: Upstream
) -> None:
    admitted = ask()
    assert (admitted.credits_charged, admitted.credits_remaining, admitted.price) == (0, 0, 1)
    with drawing_with(upstream):
        wait_until(lambda: reload(admitted.generation).is_final)
    made = reload(admitted.generation)
    assert (made.status, made.credits, made.is_test, made.model) == (Status.COMPLETED, 0, True, sampling.MODEL)
    assert upstream.sent == []
    data = stored_images.read(made.file_name)
    assert marks.DRAWN_BY_RULES.encode() in data
    assert len(data) == made.file_size
    thumbnails.make_due()
    assert not reload(made).needs_thumbnails


def test_it_is_drawn_while_no_upstream_may_be_asked(
    ask: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.upstreams.routing.is_open", lambda *_: False)
    admitted = ask()
    draw()
    assert reload(admitted.generation).status == Status.COMPLETED


def test_an_edit_of_an_upload_is_a_sample_too(ask: Callable[..., Admission], wallet: Wallet) -> None:
    model = ImageModel.objects.get()
    ImageModel.objects.update(operations=list(Operation.values))
    Route.objects.create(model=model, operation=Operation.EDIT, upstream=Upstreams.objects.get(slug="reve"))
    prices.forget()
    soon = timezone.now() + timedelta(days=1)
    upload = Upload.objects.create(
        wallet=wallet, extension="png", sha256="0" * 64, size=1, width=9, height=9, expires_at=soon
    )
    admitted = ask("hats on", operation=Operation.EDIT, inputs=(upload,))
    draw()
    assert reload(admitted.generation).status == Status.COMPLETED


def test_an_account_has_only_so_many_on_their_way(
    ask: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SAMPLES_IN_FLIGHT", 3)
    ask(count=3)
    with pytest.raises(TooManyAtOnce) as refused:
        ask()
    assert refused.value.most == 3
    draw()
    ask()


def test_they_take_no_place_of_what_a_plan_allows(
    ask: Callable[..., Admission], wallet: Wallet, give: Callable[[int], None]
) -> None:
    give(1)
    plan = Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=1)
    Wallet.objects.filter(pk=wallet.pk).update(plan=plan)
    wallet.refresh_from_db()
    ask(count=2)
    live_key, _ = keys.mint(user=wallet.user, name="live")
    assert admission.admit(wallet=wallet, request=ImageRequest(prompt="paid"), api_key=live_key).credits_charged == 1


def test_what_its_worker_left_is_drawn_by_another(ask: Callable[..., Admission]) -> None:
    admitted = ask()
    [lost] = lifecycle.claim_samples(10)
    assert (lost.status, lifecycle.claim_samples(10)) == (Status.DRAWING, [])
    assert lifecycle.claim_looks(10) == []
    Generation.objects.filter(pk=lost.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert lifecycle.claim_looks(10) == []
    draw()
    made = reload(admitted.generation)
    assert made.status == Status.COMPLETED
    image = stored_images.StoredImage("png", 1, 1, 1, "#000000")
    assert not lifecycle.complete(lost, image=image, model="late")  # whoever comes back changes nothing
    assert reload(made).model == sampling.MODEL


def test_storage_that_is_away_puts_it_off(ask: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise storage.StorageAway

    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep", away)
        admitted = ask()
        draw()
    waiting = reload(admitted.generation)
    assert (waiting.status, waiting.claim) == (Status.DRAWING, "")
    assert waiting.due_at > timezone.now()
    Generation.objects.filter(pk=waiting.pk).update(due_at=timezone.now())
    draw()
    assert reload(waiting).status == Status.COMPLETED


def test_a_queued_one_can_be_cancelled(ask: Callable[..., Admission]) -> None:
    admitted = ask("[test:pending]")
    draw()
    assert reload(admitted.generation).status == Status.QUEUED
    assert lifecycle.cancel(admitted.generation)
    ended = reload(admitted.generation)
    assert (ended.error_code, ended.returned) == ("cancelled", "It was a test: nothing was charged.")


# --- Keys, live and test ----------------------------------------------------------------------------------------


def test_live_and_test_keys_share_no_idempotency_key(
    ask: Callable[..., Admission], wallet: Wallet, give: Callable[[int], None]
) -> None:
    give(5)
    live_key, _ = keys.mint(user=wallet.user, name="live")
    request = ImageRequest(prompt="a lighthouse")

    def ask_live() -> Admission:
        return admission.admit(wallet=wallet, request=request, api_key=live_key, idempotency_key="one" * 85)

    test, live = ask(idempotency_key="one" * 85), ask_live()
    assert test.generation != live.generation
    assert (test.replayed, live.replayed) == (False, False)
    assert (ask(idempotency_key="one" * 85).generation, ask_live().generation) == (test.generation, live.generation)
    assert ask_live().replayed
    with pytest.raises(IdempotencyConflict):
        ask("another", idempotency_key="one" * 85)
    assert Group.objects.count() == 2
    assert audit(wallet) == 4


def test_what_test_keys_ask_for_is_counted_apart(
    ask: Callable[..., Admission], wallet: Wallet, give: Callable[[int], None]
) -> None:
    give(5)
    live_key, _ = keys.mint(user=wallet.user, name="live")
    ask()
    tested = ask()
    live = admission.admit(wallet=wallet, request=ImageRequest(prompt="a lighthouse"), api_key=live_key)
    assert [one.rate.remaining if one.rate else None for one in (tested, live)] == [9_998, 9_999]


def test_live_keys_do_not_know_the_words(wallet: Wallet, give: Callable[[int], None], upstream: Upstream) -> None:
    live_key, _ = keys.mint(user=wallet.user, name="live")
    for prompt in ("[test:fail]", "[test:rate_limited]", "[test:nonsense]"):
        request = ImageRequest(prompt=prompt)
        admitted = admission.admit(wallet=wallet, request=request, api_key=live_key)
        assert admitted.credits_charged == 1
    with drawing_with(upstream):
        wait_until(lambda: Generation.objects.filter(status=Status.COMPLETED).count() == 3)
    assert sorted(upstream.sent) == ["[test:fail]", "[test:nonsense]", "[test:rate_limited]"]


# --- Outcomes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, outcome in outcomes.OUTCOMES.items() if outcome.message])
def test_a_prompt_names_how_it_ends(ask: Callable[..., Admission], name: str) -> None:
    admitted = ask(f"a fox [test:{name}] in snow")
    draw()
    ended = reload(admitted.generation)
    assert (ended.status, ended.error_code) == (Status.FAILED, outcomes.OUTCOMES[name].code)
    assert ended.error_message


def test_of_several_every_second_one_can_fail(ask: Callable[..., Admission]) -> None:
    admitted = ask("[test:partial]", count=4)
    draw()
    ends = [reload(generation).status for generation in admitted.generations]
    assert ends == [Status.COMPLETED, Status.FAILED, Status.COMPLETED, Status.FAILED]


def test_a_slow_one_is_drawn_for_a_while_and_then_ends_as_it_says(
    ask: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "SLOW_SECONDS", 60)
    good, bad = ask("[test:slow]"), ask("[test:slow] [test:refuse]")
    draw()
    assert {reload(one.generation).status for one in (good, bad)} == {Status.DRAWING}
    slow = Generation.objects.all()
    assert all(timezone.now() < one.due_at <= timezone.now() + timedelta(seconds=60) for one in slow)
    slow.update(submitted_at=timezone.now() - timedelta(seconds=60), due_at=timezone.now())
    draw()
    assert reload(good.generation).status == Status.COMPLETED
    assert reload(bad.generation).error_code == "prompt_refused"


def test_a_pending_one_ends_at_its_deadline(ask: Callable[..., Admission]) -> None:
    admitted = ask("[test:pending]", deadline_seconds=10)
    draw()
    generation = reload(admitted.generation)
    assert (generation.status, generation.due_at) == (Status.QUEUED, generation.deadline_at)
    Generation.objects.filter(pk=generation.pk).update(deadline_at=timezone.now())
    sweep.fail_stuck()
    assert reload(generation).error_code == "timed_out"


# --- In nobody's way --------------------------------------------------------------------------------------------


def test_a_thousand_samples_delay_no_image_that_is_paid(
    wallet: Wallet, key: ApiKey, give: Callable[[int], None], upstream: Upstream
) -> None:
    give(1)
    deadline = timezone.now() + timedelta(minutes=10)
    Generation.objects.bulk_create(
        Generation(
            wallet=wallet, prompt=f"sample {n}", aspect_ratio="1:1", is_test=True, credits=0, deadline_at=deadline
        )
        for n in range(1000)
    )
    with drawing_with(upstream):
        wait_until(lambda: Generation.objects.filter(is_test=True, status=Status.COMPLETED).count() > 5)
        paid = admission.admit(wallet=wallet, request=ImageRequest(prompt="paid")).generation
        wait_until(lambda: reload(paid).is_final)
        left = Generation.objects.filter(is_test=True, status__in=Generation.UNFINISHED).count()
    assert reload(paid).status == Status.COMPLETED
    assert left > 700, "there were none left that it could have waited behind"


def test_thumbnails_of_samples_wait_for_those_of_others(
    ask: Callable[..., Admission], wallet: Wallet, give: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(1)
    first = ask().generation
    draw()
    paid = admission.admit(wallet=wallet, request=ImageRequest(prompt="paid")).generation
    Generation.objects.filter(pk=paid.pk).update(status=Status.COMPLETED, needs_thumbnails=True)
    monkeypatch.setattr(thumbnails, "BATCH", 1)
    assert [one.pk for one in thumbnails._claim()] == [paid.pk]
    assert [one.pk for one in thumbnails._claim()] == [first.pk]
    Generation.objects.filter(pk=paid.pk).update(status=Status.QUEUED, needs_thumbnails=False)


def test_old_ones_are_thrown_away_at_night(ask: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ask().generation, ask().generation
    draw()
    Generation.objects.filter(pk=old.pk).update(created_at=timezone.now() - trash.SAMPLES_KEPT)
    file = stored_images.path_of(reload(old).file_name)
    monkeypatch.setattr("kit.nights.claim", lambda name, at: True)
    tasks.forget_samples()
    assert trash.restore(old.wallet, [old.public_id]) == 0
    tasks.purge_trash()
    assert reload(old).purged_at is not None
    assert reload(old).prompt == ""
    assert not default_storage.exists(file)
    assert reload(new).deleted_at is None
