"""The samples against a server that misbehaves: what their pages promise holds in every language.

Waiting is made short by what the samples themselves have for it, their constants; nothing else of them is changed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from reveweb.docs import book, code, rendering
from reveweb.docs.code import LANGUAGES
from tests.docs.misbehaving import (
    COMPLETED,
    CUT,
    FAILED,
    IMAGE_ID,
    PENDING,
    SILENCE,
    URL,
    Answer,
    Script,
    error,
    image,
    page,
    serving,
)

COMMANDS = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-s", "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
DRAW = {
    "bash": """source ./reveweb.sh; draw '{"prompt": "A fox", "async": true}' | field url""",
    "python": 'from reveweb import draw; print(draw("A fox")["url"])',
    "javascript": 'import { draw } from "./reveweb.mjs"; console.log((await draw({ prompt: "A fox" })).url);',
}
SILENT_SECONDS = 2  # until an answer is given up; more than a busy machine takes for one
GIVE_UP_SECONDS = 20
SOON = 3  # seconds in which those give up who cannot succeed


@dataclass(frozen=True)
class Ran:
    """How a sample ended."""

    status: int
    output: str
    complaint: str
    script: Script


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, Script]]]:
    with serving() as both:
        yield both


def run_all(
    server: tuple[str, dict[str, Script]],
    folder: Path,
    generate: Sequence[Answer],
    status: Sequence[Answer] = (COMPLETED,),
    *,
    seconds: int = GIVE_UP_SECONDS,
    first_call: bool = False,
) -> dict[str, Ran]:
    """Run `draw`, or the call that everybody makes first, in each language against a script of its own."""
    base, scripts = server

    def run(language: str) -> Ran:
        name = f"{folder.name}-{language}"
        scripts[name] = script = Script(generate, status)
        address = f"{base}/{name}"
        own = folder / language
        own.mkdir()
        for ending, its_language in book.CLIENT_FILES.items():
            (own / f"reveweb.{ending}").write_text(_hurried(book.client(its_language, address), seconds))
        text = DRAW[language]
        if first_call:
            [text] = [one.text for one in code.first_call(address) if one.language == language]
            text = re.sub(r"\b180\b", str(SILENT_SECONDS), text).replace("180_000", f"{SILENT_SECONDS}_000")
        environment = {"PATH": os.environ["PATH"], "REVEWEB_API_KEY": "rv_any"}
        done = subprocess.run(
            [*COMMANDS[language], text],
            cwd=own,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout.strip(), done.stderr.strip(), script)

    with ThreadPoolExecutor(len(LANGUAGES)) as pool:
        return dict(zip(LANGUAGES, pool.map(run, LANGUAGES), strict=True))


def _hurried(text: str, seconds: int) -> str:
    for constant, value in (("silence", SILENT_SECONDS), ("seconds", seconds), ("pause", 0)):
        text, found = re.subn(rf"(?m)^(.*\b{constant} ?= ?)\d+", rf"\g<1>{value}", text, flags=re.IGNORECASE)
        assert found, constant
    return text


# --- What passes -------------------------------------------------------------------------------------------------

PASSES = {
    "too many requests": [error(429, "rate_limited", "0"), error(429, "too_many_unfinished", "1")],
    "a restart": [error(503, "unavailable", "0"), error(500, "internal_error"), error(408, "body_too_slow")],
    "a page from a proxy": [page(502), page(503), page(504), page(200)],
    "another gateway": [error(502, "bad_gateway"), Answer(502), Answer(200, b"[]"), Answer(503, b"null")],
    "a date to come back": [error(503, "unavailable", "Fri, 27 Nov 2026 20:00:00 GMT")],
    "an answer that is cut off": [CUT],
    "silence": [SILENCE],
}


@pytest.mark.parametrize("trouble", PASSES.values(), ids=PASSES)
def test_what_passes_is_sent_again_with_the_same_key(
    server: tuple[str, dict[str, Script]], tmp_path: Path, trouble: list[Answer]
) -> None:
    for language, ran in run_all(server, tmp_path, [*trouble, PENDING]).items():
        assert (ran.status, ran.output) == (0, URL), f"{language}: {ran.complaint}"
        assert len(ran.script.keys) == len(trouble) + 1, language
        assert len(set(ran.script.keys)) == 1, language
        assert ran.script.keys[0], language


@pytest.mark.parametrize("trouble", PASSES.values(), ids=PASSES)
def test_a_poll_outlasts_what_passes(
    server: tuple[str, dict[str, Script]], tmp_path: Path, trouble: list[Answer]
) -> None:
    for language, ran in run_all(server, tmp_path, [PENDING], [PENDING, *trouble, COMPLETED]).items():
        assert (ran.status, ran.output) == (0, URL), f"{language}: {ran.complaint}"
        assert len(ran.script.keys) == 1, language
        assert set(ran.script.looks) == {IMAGE_ID}, language


def test_a_status_or_stage_that_is_new_is_waited_for(server: tuple[str, dict[str, Script]], tmp_path: Path) -> None:
    new = image("paused", 202, stage="polishing")
    for language, ran in run_all(server, tmp_path, [new], [new, PENDING, COMPLETED]).items():
        assert (ran.status, ran.output) == (0, URL), f"{language}: {ran.complaint}"


def test_an_image_that_is_finished_at_once_is_not_asked_for(
    server: tuple[str, dict[str, Script]], tmp_path: Path
) -> None:
    for language, ran in run_all(server, tmp_path, [COMPLETED]).items():
        assert (ran.status, ran.output, ran.script.looks) == (0, URL, []), language


# --- What does not -----------------------------------------------------------------------------------------------

REFUSED_PROMPT = image(
    "failed", 422, error={"code": "prompt_refused", "message": "This is prompt_refused.", "param": "prompt"}
)
ENDS = {
    "a wrong key": (error(401, "invalid_api_key"), "This is invalid_api_key."),
    "no credits": (error(402, "insufficient_credits"), "This is insufficient_credits."),
    "a key that was used": (error(409, "idempotency_conflict", image_id=IMAGE_ID), IMAGE_ID),
    "a blank prompt": (error(422, "invalid_request"), "This is invalid_request."),
    "a firewall": (page(403), "403 from the proxy"),
    "a failed image": (FAILED, "This is upstream_failed."),
    "a refused prompt": (REFUSED_PROMPT, "This is prompt_refused."),
}


@pytest.mark.parametrize(("answer", "words"), ENDS.values(), ids=ENDS)
def test_what_is_final_is_not_sent_again(
    server: tuple[str, dict[str, Script]], tmp_path: Path, answer: Answer, words: str
) -> None:
    for language, ran in run_all(server, tmp_path, [answer]).items():
        assert ran.status != 0, language
        assert (ran.output, len(ran.script.keys), ran.script.looks) == ("", 1, []), language
        assert words in ran.complaint, language
        assert ran.script.keys[0] in ran.complaint or IMAGE_ID in ran.complaint, language


@pytest.mark.parametrize(("answer", "words"), ENDS.values(), ids=ENDS)
def test_what_ends_a_poll_names_the_image(
    server: tuple[str, dict[str, Script]], tmp_path: Path, answer: Answer, words: str
) -> None:
    for language, ran in run_all(server, tmp_path, [PENDING], [answer]).items():
        assert ran.status != 0, language
        assert (ran.output, len(ran.script.keys), len(ran.script.looks)) == ("", 1, 1), language
        assert words in ran.complaint, language
        assert IMAGE_ID in ran.complaint, language


# --- What does not end -------------------------------------------------------------------------------------------

ENDLESS = {"a restart": error(503, "unavailable", "1"), "a proxy": page(504), "silence": SILENCE}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_who_gives_up_names_the_key(server: tuple[str, dict[str, Script]], tmp_path: Path, answer: Answer) -> None:
    for language, ran in run_all(server, tmp_path, [answer], seconds=SOON).items():
        assert ran.status != 0, language
        assert ran.output == "", language
        assert f"Idempotency-Key {ran.script.keys[0]}" in ran.complaint, language


@pytest.mark.parametrize("answer", [*ENDLESS.values(), PENDING], ids=[*ENDLESS, "pending"])
def test_who_gives_up_an_image_names_it(server: tuple[str, dict[str, Script]], tmp_path: Path, answer: Answer) -> None:
    for language, ran in run_all(server, tmp_path, [PENDING], [answer], seconds=SOON).items():
        assert ran.status != 0, language
        assert ran.output == "", language
        assert IMAGE_ID in ran.complaint, language


def test_a_pause_that_outlasts_the_deadline_is_not_begun(server: tuple[str, dict[str, Script]], tmp_path: Path) -> None:
    for language, ran in run_all(server, tmp_path, [error(429, "rate_limited", "3600")]).items():
        assert ran.status != 0, language
        assert "rate_limited" in ran.complaint, language


# --- The call that everybody makes first -------------------------------------------------------------------------

FIRST = {
    "a wrong key": (error(401, "invalid_api_key"), "invalid_api_key"),
    "no credits": (error(402, "insufficient_credits"), "insufficient_credits"),
    "a key that was used": (error(409, "idempotency_conflict", image_id=IMAGE_ID), IMAGE_ID),
    "too many requests": (error(429, "rate_limited", "1"), "rate_limited"),
    "a failed image": (FAILED, IMAGE_ID),
    "a restart": (error(503, "unavailable", "1"), "unavailable"),
    "a proxy": (page(502), "502 from the proxy"),
    "an answer that is cut off": (CUT, ""),
    "silence": (SILENCE, ""),
}


@pytest.mark.parametrize(("answer", "words"), FIRST.values(), ids=FIRST)
def test_the_first_call_says_what_was_answered(
    server: tuple[str, dict[str, Script]], tmp_path: Path, answer: Answer, words: str
) -> None:
    for language, ran in run_all(server, tmp_path, [answer], first_call=True).items():
        assert ran.status != 0, language
        assert words in ran.output + ran.complaint, language
        assert len(ran.script.keys) == 1, language
        assert ran.script.keys[0], language


def test_the_first_call_prints_the_id_of_an_image_that_is_not_finished(
    server: tuple[str, dict[str, Script]], tmp_path: Path
) -> None:
    for language, ran in run_all(server, tmp_path, [PENDING], first_call=True).items():
        assert ran.status == 0, language
        assert "pending" in ran.output, language
        assert IMAGE_ID in ran.output, language


# --- Every sample ------------------------------------------------------------------------------------------------

DEADLINE = re.compile(r"--max-time |timeout=|AbortSignal\.timeout\(")
IS_A_CALL = re.compile(r"\bcurl |(requests|session)\.(get|post|request)\(|\bfetch\(")


@pytest.mark.parametrize("slug", [one.slug for one in book.PAGES])
def test_a_sample_has_a_deadline_and_a_key_or_uses_the_client(db: None, slug: str) -> None:
    found = book.find(slug)
    assert found
    for group in rendering.code_groups(book.source(found, "https://images.example.com")):
        for sample in (one for one in group if one.language in LANGUAGES):
            text = re.sub(r"(?m)^\s*(#|//).*$", "", sample.text)
            assert len(DEADLINE.findall(text)) >= len(IS_A_CALL.findall(text)), text
            asks = "/generate" in text and "rv_E1R7" not in text
            assert not asks or "Idempotency-Key" in text, text
            assert "--retry" not in text, "curl repeats what is final and prints one body after another"
