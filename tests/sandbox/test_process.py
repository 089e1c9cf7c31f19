"""The process: its settings, its state, its end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sandbox.gallery import prune
from sandbox.settings import Settings, SettingsError

from .conftest import Sandbox, launch

Start = Callable[..., Sandbox]


def test_it_ends_cleanly_when_asked_to_and_remembers_its_jobs(start: Start) -> None:
    first = start(SANDBOX_SECONDS="0.4")
    job_id = first.generate("a lighthouse in the fog").json()["id"]
    assert first.end(signal.SIGTERM) == (0, "", "")
    second = start(SANDBOX_SECONDS="0.4")
    answer = second.status(job_id).json()
    while answer["status"] != "completed":
        answer = second.status(job_id).json()
    assert httpx.get(answer["url"], timeout=100).status_code == 200
    assert second.end(signal.SIGINT) == (0, "", "")


def test_it_draws_a_pruned_image_again(painter: Sandbox) -> None:
    url = painter.finished("a cabin in the snow")["url"]
    before = httpx.get(url, timeout=100).content
    for path in (painter.directory / "images").glob("*.png"):
        path.unlink()
    assert httpx.get(url, timeout=100).content == before


def test_it_keeps_only_the_newest_images(tmp_path: Path) -> None:
    for age in range(5):
        path = tmp_path / f"{age}.png"
        path.write_bytes(b"")
        os.utime(path, (1000 - age, 1000 - age))
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png"]


def test_it_says_in_one_line_that_its_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = launch(SANDBOX_PORT=str(taken.getsockname()[1]))
        out, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert out == ""
    assert errors.count("\n") == 1
    assert "Address already in use" in errors


def test_it_says_in_one_line_that_a_setting_is_wrong() -> None:
    process = launch(SANDBOX_FAIL="sometimes")
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert "SANDBOX_FAIL" in errors


def test_it_listens_on_loopback_only(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1])
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [place for place in listening if int(place.split(":")[1], 16) == port] == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize(
    "environment",
    [
        {"SANDBOX_PORT": "http"},
        {"SANDBOX_PORT": "70000"},
        {"SANDBOX_SECONDS": "-1"},
        {"SANDBOX_SECONDS": "soon"},
        {"SANDBOX_SECONDS": "nan"},
        {"SANDBOX_SLOW_SECONDS": "-1"},
        {"SANDBOX_PICTURES": "large"},
        {"SANDBOX_STRIPE_WEBHOOK_URL": "localhost:8000/stripe/webhook/"},
        {"SANDBOX_STRIPE_PUBLIC_URL": "ftp://localhost"},
    ],
)
def test_it_refuses_settings_it_cannot_use(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environment))):
        Settings.from_environment(environment)


def test_it_takes_empty_settings_for_unset() -> None:
    names = ("PORT", "SECONDS", "FAIL", "DIR", "API_KEY", "PICTURES")
    stripes = ("WEBHOOK_URL", "WEBHOOK_SECRET", "KEY", "PUBLIC_URL")
    for blank in ("", " "):
        unset = [f"SANDBOX_{name}" for name in names] + [f"SANDBOX_STRIPE_{name}" for name in stripes]
        assert Settings.from_environment(dict.fromkeys(unset, blank)) == Settings()
