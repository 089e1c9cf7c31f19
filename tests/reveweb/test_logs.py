"""The log: lines for people or JSON for programs, with the ids that they are about and without a secret."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from kit import request_id
from kit.scrub import scrubbed
from reveweb.observe.json_logs import Json
from reveweb.observe.logs import Line, granian
from tests import ROOT

SECRETS = {
    "a key of ours": f"rv_{'a1B2c3D4'}_{'x' * 38}",
    "a test key": f"rv_test_{'a1B2c3D4'}_{'x' * 38}",
    "a browser token": f"rv_tok_{'a1B2c3D4'}_{'x' * 38}",
    "Stripe's": "sk_live_51Habcdefghijklmnop",
    "a restricted one of Stripe's": "rk_live_51Habcdefghijklmnop",
    "a webhook's": "whsec_abcdefghijklmnop",
    "OpenAI's": "sk-proj-abcdefghijklmnop",
    "Replicate's": "r8_abcdefghijklmnopqrst",
    "a header": "Authorization: Bearer abcdefghijklmnop",
    "a header in small letters": "authorization: bearer abcdefghijklmnop",
}


def record(level: int, words: str, *arguments: object, **extra: Any) -> logging.LogRecord:
    made = logging.getLogger("generator").makeRecord(
        "generator", level, __file__, 1, words, arguments, None, extra=extra or None
    )
    request_id.LogFilter().filter(made)
    return made


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR])
@pytest.mark.parametrize("name", SECRETS)
def test_no_line_has_a_secret(name: str, level: int) -> None:
    secret = SECRETS[name].split()[-1]
    for written in (Line().format(record(level, "got %s", SECRETS[name])), json_of(record(level, SECRETS[name]))):
        assert secret not in str(written)
        assert "…" in str(written)


def test_what_is_no_secret_stays() -> None:
    assert scrubbed("task-force of rv_ and sk in whsec_") == "task-force of rv_ and sk in whsec_"
    assert scrubbed(f"rv_a1B2c3D4_{'x' * 38}") == "rv_a1B2c3D4_…"


ROW = "null value in column “x”\nDETAIL:  Failing row contains (7, a poem of\ntwo lines, eve@example.com).\nHINT:  none"


@pytest.mark.parametrize("told", [ROW, repr(RuntimeError(ROW)), "it is known\nDETAIL:  Key (words)=(a poem) exists."])
def test_no_line_has_the_row_that_postgresql_refuses(told: str) -> None:
    for words in (told, f"Traceback:\n  File x\nIntegrityError: {told}\n\nThe above exception was the direct cause of"):
        said = scrubbed(words)
        assert "poem" not in said
        assert "eve@" not in said
        assert "DETAIL: …" in said
        assert ("HINT" in said) == (told == ROW)
        assert said.endswith("direct cause of") == words.endswith("direct cause of")


def json_of(made: logging.LogRecord) -> dict[str, Any]:
    written = Json().format(made)
    assert "\n" not in written
    return dict(json.loads(written))


def test_json_says_what_it_is_about() -> None:
    said = json_of(
        record(logging.INFO, "ended: %s", "é", fields={"attempts": 2}, generation_id="img_x", request_id="req_y")
    )
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "level": "info",
        "logger": "generator",
        "event": "ended: é",
        "request_id": "req_y",
        "generation_id": "img_x",
        "attempts": 2,
    }


def test_fields_do_not_take_the_place_of_what_every_line_has() -> None:
    assert json_of(record(logging.INFO, "words", fields={"level": "x", "event": "y"}))["event"] == "words"


def test_a_traceback_is_in_its_line() -> None:
    made = record(logging.ERROR, "broken")
    try:
        raise RuntimeError("sk_live_51Habcdefghijklmnop")
    except RuntimeError:
        made.exc_info = sys.exc_info()
    said = json_of(made)
    assert "RuntimeError" in said["exception"]
    assert "51Habc" not in said["exception"]


def test_the_web_server_is_told_to_log_alike() -> None:
    told = granian("warning")
    assert json.loads(json.dumps(told))["loggers"]["_granian"]["level"] == "WARNING"


def test_in_json_a_warning_of_pythons_is_a_line_too() -> None:
    program = "import django, warnings; django.setup(); warnings.warn('one\\ntwo')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "reveweb.settings", "ENV_FILE": "", "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    [line] = done.stderr.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"], "one\ntwo" in said["event"]) == ("warning", "py.warnings", True)
