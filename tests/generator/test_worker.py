"""A generation's way through the real sandbox upstream, which misbehaves in every way that it knows."""

import io
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone
from PIL import Image

from billing.models import Wallet
from generator.ask import admission
from generator.files import images as stored_images
from generator.jobs import engine, lifecycle, tasks, worker
from generator.models import Generation
from generator.upstreams import transport
from generator.upstreams.dialect import Job, Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.words import Kind
from kit.threads import in_loop, in_thread
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
    if engine._in_passing.cache_info().currsize:
        in_loop(engine._in_passing().dialects.aclose())
    engine._in_passing.cache_clear()


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
    assert generation.needs_thumbnails
    assert len(files(tmp_path)) == 1
    tasks.thumbnails()
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


def test_an_image_that_is_there_at_once_is_fetched_at_once(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = step(ask("sync-anyway"))
    assert_completed(generation)
    assert generation.polls == 0
    assert len(jobs(sandbox, generation)) == 1


def test_a_negative_prompt_and_any_unicode_reach_the_upstream(wallet: Wallet, sandbox: str) -> None:
    prompt = f"e\u0301 👩‍🚀 שלום {uuid.uuid4()}"
    request = admission.ImageRequest(prompt=prompt, negative_prompt="ночь")
    generation = finish(admission.admit(wallet=wallet, request=request).generation)
    assert_completed(generation)
    assert [job["prompt"] for job in jobs(sandbox, generation)] == [prompt]


def test_a_sent_generation_is_looked_at_when_it_is_usually_ready(ask: Callable[..., Generation], settings: Any) -> None:
    settings.UPSTREAM_TYPICAL_SECONDS = 30.0
    assert 20 < in_seconds(step(ask())) <= 30


# --- The submission goes wrong ---------------------------------------------------------------------------------


def test_a_refused_prompt_fails_with_our_own_words_for_it(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = finish(ask("refuse"))
    assert_failed(generation, Kind.CONTENT, code="prompt_refused")
    assert jobs(sandbox, generation) == []


@pytest.mark.services
@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("error500", 500, "Something went wrong on our side."),
        ("refuse", 422, Kind.CONTENT),
        ("fail", 200, "The image could not be generated."),
        ("wrong-type", None, "the image cannot be decoded: UnidentifiedImageError"),
    ],
)
def test_what_the_upstream_answered_is_kept_for_staff(
    ask: Callable[..., Generation], mode: str, status: int | None, words: str
) -> None:
    generation = finish(ask(mode))
    assert generation.status == Status.FAILED
    assert generation.upstream_status == status
    assert generation.upstream_words.startswith(words)


@pytest.mark.services
@pytest.mark.parametrize(("mode", "status"), [("busy", 429), ("error503", 503)])
def test_an_answer_that_made_an_image_wait_is_kept_for_staff(
    ask: Callable[..., Generation], mode: str, status: int
) -> None:
    generation = step(ask(mode))
    assert (generation.upstream_status, bool(generation.upstream_words)) == (status, True)
    generation = finish(generation)
    assert_completed(generation)
    assert generation.upstream_status == status  # the last trouble that there was


def test_no_answer_at_all_has_words_and_no_status(ask: Callable[..., Generation], settings: Any) -> None:
    settings.REVE_API_URL = f"http://127.0.0.1:{free_port()}"
    generation = step(ask())
    assert generation.upstream_status is None
    assert generation.upstream_words.startswith("no connection: ")


def test_trouble_between_us_and_the_upstream_is_not_the_users_to_read(
    ask: Callable[..., Generation], sandbox: str
) -> None:
    before = generate_calls(sandbox)
    assert_failed(finish(ask("error500")), UNAVAILABLE)
    assert generate_calls(sandbox) == before + 1


@pytest.mark.services
def test_a_job_that_may_have_been_accepted_is_never_sent_again(ask: Callable[..., Generation], sandbox: str) -> None:
    generation = finish(ask("error500-accepted"))
    assert_failed(generation, UNAVAILABLE)
    for _ in range(3):
        tasks.submit()
        tasks.sweep()
        tasks.look()
    assert len(jobs(sandbox, generation)) == 1
    assert audit(generation.wallet) == 3


def test_a_job_whose_acceptance_got_no_answer_is_never_sent_again(
    ask: Callable[..., Generation], sandbox: str, settings: Any
) -> None:
    settings.UPSTREAM_TIMEOUT_SECONDS = 0.4
    generation = finish(ask("timeout-submit"))
    assert_failed(generation, UNAVAILABLE)
    tasks.submit()
    assert len(jobs(sandbox, generation)) == 1


@pytest.mark.parametrize("mode", ["busy", "error503"])
def test_an_upstream_that_asks_us_to_wait_is_asked_again_after_that(
    ask: Callable[..., Generation], sandbox: str, mode: str
) -> None:
    began = timezone.now()
    generation = step(ask(mode))
    assert generation.status == Status.QUEUED
    assert in_seconds(generation) <= 1.0 <= (generation.due_at - began).total_seconds()
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
        tasks.submit()
    assert len(jobs(sandbox, generation)) == 1


def test_an_acceptance_that_comes_too_late_changes_nothing(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = ReveArt.submit

    async def overtaken(self: ReveArt, order: Order) -> Job:
        job = await submit(self, order)
        await in_thread(
            lambda: lifecycle.fail(generation, code="timed_out", message="Too late.", only_if=lifecycle.WHOEVER_HAS_IT)
        )
        return job

    generation = ask()
    monkeypatch.setattr(ReveArt, "submit", overtaken)
    assert_failed(step(generation), "Too late.", code="timed_out")


# --- The drawing goes wrong ------------------------------------------------------------------------------------


def test_a_drawing_that_fails_upstream_fails_with_its_words(ask: Callable[..., Generation]) -> None:
    assert_failed(finish(ask("fail")), "The image could not be generated.")


@pytest.mark.parametrize("mode", ["status500", "status-garbage"])
def test_a_look_without_an_answer_is_repeated(ask: Callable[..., Generation], mode: str) -> None:
    generation = step(ask(mode))
    began = timezone.now()
    generation = step(generation)
    assert generation.status == Status.DRAWING
    assert began < generation.due_at < timezone.now() + timedelta(seconds=5)
    generation = finish(generation)
    assert_completed(generation)
    assert generation.failed_polls == 0


def test_an_upstream_too_busy_for_a_look_is_asked_again_when_it_says(ask: Callable[..., Generation]) -> None:
    generation = step(ask("status-busy"))
    began = timezone.now()
    generation = step(generation)
    assert generation.status == Status.DRAWING
    assert in_seconds(generation) <= 1.0 <= (generation.due_at - began).total_seconds()
    assert_completed(finish(generation))


def test_a_look_that_takes_too_long_is_repeated(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "POLL_TIMEOUT_SECONDS", 0.3)
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
    late = timedelta(seconds=settings.GENERATION_DEADLINE_SECONDS)
    Generation.objects.update(created_at=timezone.now() - late, deadline_at=timezone.now())
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


def test_an_image_that_drips_in_too_slowly_is_tried_again_until_its_deadline(
    ask: Callable[..., Generation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "DOWNLOAD_SECONDS", 0.2)
    generation = step(ask("slow-image"))
    for _ in range(worker.MAX_FAILED_POLLS + 1):
        generation = step(generation)
        assert (generation.status, generation.failed_polls) == (Status.DRAWING, 0)
        assert in_seconds(generation) > 0
    Generation.objects.update(deadline_at=timezone.now())
    tasks.sweep()
    assert Generation.objects.get().error_code == "timed_out"
    assert audit(generation.wallet) == 3
    assert files(tmp_path) == []


# --- We ourselves go wrong -------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_job_waiting(ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    generation = ask()
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep", full)
        for _ in range(12):
            generation = step(generation)
    assert (generation.status, generation.failed_polls) == (Status.DRAWING, 0)
    assert_completed(finish(generation))


def test_one_look_that_breaks_does_not_stop_the_others(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = step(ask()), step(ask())
    keep = stored_images.keep

    def keep_or_break(data: bytes, token: str, image: stored_images.StoredImage) -> None:
        if token == broken.file_token:
            raise RuntimeError("a bug")
        keep(data, token, image)

    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep", keep_or_break)
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
    monkeypatch.setattr(engine, "CLAIMS_AT_ONCE", 2)
    made = [step(ask("fail")) for _ in range(5)]
    Generation.objects.update(due_at=timezone.now())
    tasks.look()
    assert {Generation.objects.get(pk=generation.pk).status for generation in made} == {Status.FAILED}


def test_a_worker_that_comes_late_does_not_undo_an_end(ask: Callable[..., Generation]) -> None:
    """The sweep ended it while the image was on its way: the credit is back, and stays back."""
    generation = step(ask())
    Generation.objects.update(due_at=timezone.now())
    [claimed] = lifecycle.claim_looks(1)
    lifecycle.fail(generation, code="timed_out", message="Too late.", only_if=lifecycle.WHOEVER_HAS_IT)
    in_loop(engine._in_passing().worker.look(claimed))
    assert_failed(Generation.objects.get(), "Too late.", code="timed_out")


def test_an_image_that_fails_while_it_is_fetched_leaves_no_files(
    ask: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when its account is deleted: nobody would ever find them again."""
    generation = ask()
    complete = lifecycle.complete_all

    def overtaken(drawn: Any) -> set[int]:
        assert files(tmp_path)
        [one] = drawn
        message, anyway = "The account was deleted.", lifecycle.WHOEVER_HAS_IT
        lifecycle.fail(one.generation, code="cancelled", message=message, only_if=anyway)
        return complete(drawn)

    monkeypatch.setattr(lifecycle, "complete_all", overtaken)
    forget_client()
    assert_failed(finish(generation), "The account was deleted.", code="cancelled")
    assert files(tmp_path) == []
