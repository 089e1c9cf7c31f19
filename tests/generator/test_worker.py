"""A generation's way through the real sandbox upstream, which misbehaves in every way that it knows."""

import asyncio
import io
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import OperationalError
from django.utils import timezone
from PIL import Image

from billing.models import Wallet
from generator.ask import admission
from generator.files import images as stored_images
from generator.jobs import lifecycle, tasks, tell, worker
from generator.models import Generation
from generator.upstreams import reve_art
from generator.upstreams.words import Kind
from kit.threads import in_loop
from tests.billing.books import audit
from tests.driver import finish, step
from tests.environment import free_port

Status = Generation.Status
UNAVAILABLE = "The image service is not available right now."
NO_IMAGE = "The image service did not deliver a usable image."


@pytest.fixture(autouse=True)
def _upstream(sandbox: str, images: None) -> Iterator[None]:
    """A client of the test's own, made with the test's settings when it is first used."""
    forget_client()
    yield
    forget_client()


def forget_client() -> None:
    if worker._client.cache_info().currsize:
        in_loop(worker._client().aclose())
    worker._client.cache_clear()


@pytest.fixture
def ask(wallet: Wallet) -> Callable[..., Generation]:
    """Ask for an image in one of the sandbox's modes, with a prompt that no other test uses."""

    def ask_for(mode: str = "", **options: Any) -> Generation:
        prompt = f"a lighthouse {uuid.uuid4()}" + (f" [sandbox:{mode}]" if mode else "")
        request = admission.ImageRequest(prompt=prompt, **options)
        return admission.admit(wallet=wallet, request=request).generation

    return ask_for


def jobs(sandbox: str, generation: Generation) -> list[dict[str, Any]]:
    """Return the jobs that the upstream has accepted for `generation`."""
    listed: list[dict[str, Any]] = _report(sandbox, generation)["jobs"]
    return listed


def generate_calls(sandbox: str) -> int:
    """Return how often the upstream was asked for an image."""
    return int(_report(sandbox)["generate_calls"])


def _report(sandbox: str, generation: Generation | None = None) -> Any:
    params = {"prompt": generation.prompt} if generation else {}
    return httpx.get(f"{sandbox}/sandbox/jobs", params=params, trust_env=False).json()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def in_seconds(generation: Generation) -> float:
    """How far in the future a generation is due."""
    return (Generation.objects.get(pk=generation.pk).due_at - timezone.now()).total_seconds()


def assert_failed(generation: Generation, message: str, code: str = "upstream_failed") -> None:
    """It failed in these words, and its credit is back."""
    assert (generation.status, generation.error_code, generation.error_message) == (Status.FAILED, code, message)
    assert audit(generation.wallet) == 3


def assert_completed(generation: Generation) -> Image.Image:
    """It completed for one credit; return the image that was kept, which is as the row says."""
    assert generation.status == Status.COMPLETED
    assert audit(generation.wallet) == 2
    data = stored_images.read(generation.file_name)
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.size == (generation.width, generation.height)
    assert len(data) == generation.file_size
    return image


# --- As it should be -------------------------------------------------------------------------------------------


@pytest.mark.services
def test_an_image_is_drawn_fetched_and_kept(ask: Callable[..., Generation], sandbox: str, tmp_path: Path) -> None:
    generation = finish(ask())
    assert assert_completed(generation).format == "PNG"
    assert "sandbox" in generation.model
    assert generation.submits == 1
    assert len(jobs(sandbox, generation)) == 1
    assert len(files(tmp_path)) == 3  # itself and two thumbnails


@pytest.mark.parametrize("ratio", ["1:1", "16:9", "4:3", "3:4", "9:16", "2:3", "3:2"])
def test_an_image_has_the_shape_that_was_asked_for(ask: Callable[..., Generation], ratio: str) -> None:
    width, height = assert_completed(finish(ask(aspect_ratio=ratio))).size
    across, down = map(int, ratio.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.02)


@pytest.mark.parametrize(("mode", "format", "extension"), [("jpeg", "JPEG", "jpg"), ("webp", "WEBP", "webp")])
def test_an_image_of_another_kind_is_kept_as_it_comes(
    ask: Callable[..., Generation], mode: str, format: str, extension: str
) -> None:
    generation = finish(ask(mode))
    assert assert_completed(generation).format == format
    assert generation.file_extension == extension


def test_an_upstream_that_answers_at_once_is_looked_at_at_once(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = step(ask("sync-anyway"))
    assert in_seconds(generation) <= 0
    assert_completed(finish(generation))
    assert len(jobs(sandbox, generation)) == 1


def test_a_negative_prompt_and_any_unicode_reach_the_upstream(wallet: Wallet, sandbox: str) -> None:
    prompt = f"e\u0301 👩‍🚀 שלום {uuid.uuid4()}"
    request = admission.ImageRequest(prompt=prompt, negative_prompt="ночь")
    generation = finish(admission.admit(wallet=wallet, request=request).generation)
    assert_completed(generation)
    assert [job["prompt"] for job in jobs(sandbox, generation)] == [prompt]


def test_a_sent_generation_asks_for_its_look_at_the_right_moment(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.UPSTREAM_TYPICAL_SECONDS = 3.0
    woken: list[float] = []
    monkeypatch.setattr(tell, "wake_poller", woken.append)
    generation = step(ask())
    assert 2 < in_seconds(generation) <= 3
    assert woken == [pytest.approx(3.0, abs=0.1)]
    assert woken[0] > 3.0  # never a moment before the row is due


# --- The submission goes wrong ---------------------------------------------------------------------------------


def test_a_refused_prompt_fails_with_our_own_words_for_it(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = finish(ask("refuse"))
    assert_failed(generation, Kind.CONTENT, code="invalid_request")
    assert jobs(sandbox, generation) == []


@pytest.mark.parametrize("mode", ["unauthorized", "payment", "forbidden", "error500"])
def test_trouble_between_us_and_the_upstream_is_not_the_users_to_read(
    ask: Callable[..., Generation], sandbox: str, mode: str
) -> None:
    before = generate_calls(sandbox)
    assert_failed(finish(ask(mode)), UNAVAILABLE)
    assert generate_calls(sandbox) == before + 1


@pytest.mark.services
def test_a_job_that_may_have_been_accepted_is_never_sent_again(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = finish(ask("error500-accepted"))
    assert_failed(generation, UNAVAILABLE)
    for _ in range(3):
        tasks.submit(generation.pk)
        tasks.sweep()
        tasks.poll_due()
    assert len(jobs(sandbox, generation)) == 1
    assert audit(generation.wallet) == 3


def test_a_job_whose_acceptance_got_no_answer_is_never_sent_again(
    ask: Callable[..., Generation], sandbox: str, settings: Any
) -> None:
    settings.UPSTREAM_TIMEOUT_SECONDS = 0.4
    generation = finish(ask("timeout-submit"))
    assert_failed(generation, UNAVAILABLE)
    tasks.submit(generation.pk)
    assert len(jobs(sandbox, generation)) == 1


@pytest.mark.parametrize("mode", ["busy", "error503"])
def test_an_upstream_that_asks_us_to_wait_is_asked_again_after_that(
    ask: Callable[..., Generation], sandbox: str, mode: str
) -> None:
    generation = step(ask(mode))
    assert generation.status == Status.QUEUED
    assert 0.5 < in_seconds(generation) <= 1.0
    generation = finish(generation)
    assert_completed(generation)
    assert generation.submits == 3
    assert len(jobs(sandbox, generation)) == 1


def test_an_upstream_that_cannot_be_reached_is_tried_again_later(
    ask: Callable[..., Generation], sandbox: str, settings: Any
) -> None:
    settings.REVE_API_URL = f"http://127.0.0.1:{free_port()}"
    generation = ask()
    pauses = []
    for _ in range(3):
        assert step(generation).status == Status.QUEUED
        pauses.append(in_seconds(generation))
    assert 0 < pauses[0] < pauses[1] < pauses[2] <= 30
    assert audit(generation.wallet) == 2
    settings.REVE_API_URL = sandbox
    forget_client()
    assert_completed(finish(generation))
    assert len(jobs(sandbox, generation)) == 1


def test_a_doubled_message_sends_once(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = ask()
    for _ in range(3):
        tasks.submit(generation.pk)
    assert len(jobs(sandbox, generation)) == 1


def test_an_acceptance_that_comes_too_late_schedules_no_look(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[float] = []
    monkeypatch.setattr(tell, "wake_poller", woken.append)
    generation = ask()
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    lifecycle.fail(claimed, code="timed_out", message="Too late.")
    assert worker.send(claimed) is None
    assert_failed(Generation.objects.get(), "Too late.", code="timed_out")


# --- The drawing goes wrong ------------------------------------------------------------------------------------


def test_a_drawing_that_fails_upstream_fails_with_its_words(ask: Callable[..., Generation]) -> None:
    assert_failed(finish(ask("fail")), "The image could not be generated.")


@pytest.mark.parametrize("mode", ["status500", "status-garbage"])
def test_a_look_without_an_answer_is_repeated(ask: Callable[..., Generation], mode: str) -> None:
    generation = step(step(ask(mode)))
    assert generation.status == Status.DRAWING
    assert 0 < in_seconds(generation) < 5
    generation = finish(generation)
    assert_completed(generation)
    assert generation.failed_polls == 0


def test_an_upstream_too_busy_for_a_look_is_asked_again_when_it_says(ask: Callable[..., Generation]) -> None:
    generation = step(step(ask("status-busy")))
    assert generation.status == Status.DRAWING
    assert 0.5 < in_seconds(generation) <= 1.0
    assert_completed(finish(generation))


def test_a_look_that_takes_too_long_is_repeated(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reve_art, "POLL_TIMEOUT_SECONDS", 0.3)
    generation = finish(ask("status-timeout"))
    assert_completed(generation)
    assert generation.polls > 1


@pytest.mark.parametrize("mode", ["lost", "no-url"])
def test_a_job_that_stays_useless_is_given_up_after_a_few_looks(ask: Callable[..., Generation], mode: str) -> None:
    generation = finish(ask(mode))
    assert_failed(generation, NO_IMAGE)
    assert generation.failed_polls == worker.MAX_FAILED_POLLS - 1
    assert generation.submits == 1


def test_useless_answers_are_spread_over_a_while(ask: Callable[..., Generation]) -> None:
    generation = step(ask("lost"))
    pauses = []
    while not (generation := step(generation)).is_final:
        pauses.append(in_seconds(generation))
    assert pauses == sorted(pauses)
    assert sum(pauses) > 10


def test_a_drawing_that_never_ends_is_ended_at_its_deadline(ask: Callable[..., Generation], settings: Any) -> None:
    generation = step(step(step(ask("never"))))
    assert generation.status == Status.DRAWING
    Generation.objects.update(deadline_at=timezone.now())
    tasks.sweep()
    message = f"No image after {settings.GENERATION_DEADLINE_SECONDS} seconds."
    assert_failed(Generation.objects.get(), message, code="timed_out")


@pytest.mark.parametrize("mode", ["html", "truncated", "bomb", "private-redirect", "wrong-type"])
def test_what_is_no_image_is_not_kept(ask: Callable[..., Generation], tmp_path: Path, mode: str) -> None:
    assert_failed(finish(ask(mode)), NO_IMAGE)
    assert files(tmp_path) == []


def test_an_image_that_is_too_large_is_not_kept(ask: Callable[..., Generation], tmp_path: Path, settings: Any) -> None:
    settings.IMAGE_MAX_BYTES = 4 * 1024 * 1024
    assert_failed(finish(ask("huge")), NO_IMAGE)
    assert files(tmp_path) == []


def test_an_image_that_drips_in_too_slowly_is_given_up(
    ask: Callable[..., Generation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reve_art, "DOWNLOAD_SECONDS", 0.2)
    generation = finish(ask("slow-image"))
    assert_failed(generation, NO_IMAGE)
    assert generation.failed_polls == worker.MAX_FAILED_POLLS - 1
    assert files(tmp_path) == []


# --- We ourselves go wrong -------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_job_waiting(ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(data: bytes, token: str) -> Any:
        raise OSError(28, "No space left on device")

    generation = ask()
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "store", full)
        for _ in range(12):
            generation = step(generation)
    assert (generation.status, generation.failed_polls) == (Status.DRAWING, 0)
    assert_completed(finish(generation))


def test_one_look_that_breaks_does_not_stop_the_others(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = step(ask()), step(ask())
    store = stored_images.store

    def store_or_break(data: bytes, token: str) -> Any:
        if token == broken.file_token:
            raise RuntimeError("a bug")
        return store(data, token)

    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "store", store_or_break)
        Generation.objects.update(due_at=timezone.now())
        finish(fine)
    broken.refresh_from_db()
    assert broken.status == Status.DRAWING
    finish(broken)
    assert audit(broken.wallet) == 1


def test_many_drawings_are_looked_at_in_one_go(
    ask: Callable[..., Generation], give: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(10)
    monkeypatch.setattr(worker, "POLL_BATCH", 2)
    made = [step(ask("fail")) for _ in range(5)]
    Generation.objects.update(due_at=timezone.now())
    tasks.poll_due()
    assert {Generation.objects.get(pk=generation.pk).status for generation in made} == {Status.FAILED}


def test_a_worker_that_comes_late_does_not_undo_an_end(ask: Callable[..., Generation]) -> None:
    """The sweep ended it while the image was on its way: the credit is back, and stays back."""
    claimed = step(ask())
    lifecycle.fail(claimed, code="timed_out", message="Too late.")
    worker.poll([claimed])
    assert_failed(Generation.objects.get(), "Too late.", code="timed_out")


def test_an_image_that_fails_while_it_is_fetched_leaves_no_files(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when its account is deleted: nobody would ever find them again."""
    generation = ask()
    store = stored_images.store

    def overtaken(data: bytes, token: str) -> stored_images.StoredImage:
        stored = store(data, token)
        assert files(tmp_path)
        lifecycle.fail(generation, code="cancelled", message="The account was deleted.")
        return stored

    monkeypatch.setattr(stored_images, "store", overtaken)
    assert_failed(finish(generation), "The account was deleted.", code="cancelled")
    assert files(tmp_path) == []


# --- Keeping a claim -------------------------------------------------------------------------------------------


async def held(generation: Generation, seconds: float) -> None:
    async with worker._renewing(generation):
        await asyncio.sleep(seconds)


def test_a_claim_is_renewed_for_as_long_as_the_work_takes(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Generation] = []
    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=0.15))
    monkeypatch.setattr(lifecycle, "renew", renewed.append)
    in_loop(held(generation, 0.4))
    assert len(renewed) >= 3


def test_no_renewal_comes_after_the_work(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would overwrite the moment that the next look was just set to."""
    events: list[str] = []
    started, may_end = threading.Event(), threading.Event()

    def renew(generation: Generation) -> None:
        started.set()
        may_end.wait(5)
        events.append("renewed")

    async def work() -> None:
        async with worker._renewing(generation):
            while not started.is_set():
                await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_later(0.1, may_end.set)
        events.append("went on")

    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=0.03))
    monkeypatch.setattr(lifecycle, "renew", renew)
    in_loop(work())
    assert events == ["renewed", "went on"]


def test_a_renewal_that_fails_does_not_lose_the_answer(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(generation: Generation) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=0.003))
    monkeypatch.setattr(lifecycle, "renew", locked)
    assert step(ask()).upstream_id
