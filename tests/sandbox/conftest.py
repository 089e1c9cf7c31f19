"""A real sandbox process over a real socket, started and ended by the fixtures here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = {"Authorization": "Bearer test-key"}


class Sandbox:
    """One running `python -m sandbox` and a client that talks to it."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self._process = launch(SANDBOX_DIR=str(directory), SANDBOX_PORT="0", **environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, f"the sandbox did not start: {line!r} {self._process.communicate()}"
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, headers=KEY, timeout=100)

    def stop(self) -> int:
        """End the process with SIGTERM; return its exit status."""
        return self.end(signal.SIGTERM)[0]

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """End the process by a signal; return its exit status and what it printed since it started."""
        self.client.close()
        self._process.send_signal(number)
        out, self.errors = self._process.communicate(timeout=100)
        return self._process.returncode, out, self.errors

    def generate(self, prompt: str, *, ratio: str = "1:1", family: str = "images", **body: Any) -> httpx.Response:
        """Submit a prompt, asynchronously unless told otherwise."""
        return self.client.post(
            f"/v1/{family}/generate", json={"prompt": prompt, "aspect_ratio": ratio, "async": True, **body}
        )

    def status(self, job_id: str) -> httpx.Response:
        """Ask for a job's status once."""
        return self.client.get(f"/v1/images/status/{job_id}")

    def finished(self, prompt: str, **body: Any) -> dict[str, Any]:
        """Submit a prompt and poll until it is completed or failed; return the last status."""
        job_id = self.generate(prompt, **body).json()["id"]
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            answer: dict[str, Any] = self.status(job_id).json()
            if answer["status"] in ("completed", "failed"):
                return answer
            time.sleep(0.02)
        raise AssertionError(f"{prompt!r} did not finish: {answer}")

    def jobs(self, prompt: str) -> dict[str, Any]:
        """Return what the sandbox says about the jobs of one prompt."""
        answer: dict[str, Any] = self.client.get("/sandbox/jobs", params={"prompt": prompt}).json()
        return answer


def launch(**environment: str) -> subprocess.Popen[str]:
    """Start a sandbox process with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that needs no time for a generation, and whose pictures are plain."""
    running = Sandbox(tmp_path_factory.mktemp("sandbox"), SANDBOX_SECONDS="0", SANDBOX_PICTURES="plain")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that paints, and needs no time beyond that."""
    running = Sandbox(tmp_path_factory.mktemp("painter"), SANDBOX_SECONDS="0")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def particular(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that takes one key only and refuses every prompt that does not name another mode."""
    folder = tmp_path_factory.mktemp("particular")
    running = Sandbox(folder, SANDBOX_API_KEY="the-one", SANDBOX_FAIL="payment", SANDBOX_PICTURES="plain")
    running.client.headers["Authorization"] = "Bearer the-one"
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Start further sandboxes with settings of their own, all on one state folder unless told otherwise."""
    running: list[Sandbox] = []

    def starter(**environment: str) -> Sandbox:
        sandbox = Sandbox(tmp_path / "state", SANDBOX_PICTURES="plain", **environment)
        running.append(sandbox)
        return sandbox

    yield starter
    for sandbox in running:
        sandbox.stop()
