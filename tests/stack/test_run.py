"""`make run` itself: starting, starting again, refusing, stopping."""

import io
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import redis
from PIL import Image

from tests import ROOT
from tests.environment import free_port
from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "run"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def is_running(pid: int) -> bool:
    """Tell whether a process is there and has not ended; one that nobody has collected yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_from_nothing_to_a_real_image_and_once_more(tmp_path: Path) -> None:
    """A first start in an empty folder makes a real image; a stop leaves no process; a second start changes nothing.

    The second start has a Redis, so that only what is not provided is started.
    """
    first = Stack(tmp_path, SANDBOX_SECONDS="0")
    first.start()
    image = draw_as_printed(first.output)
    assert image.format == "PNG"
    assert image.width * 9 == image.height * 16
    assert len(image.convert("RGB").resize((64, 36)).getcolors(64 * 36) or []) > 100  # painted, not one plain sheet
    pids = [
        pid
        for needle in ("manage.py work", "manage.py schedule", "granian", "sandbox", "valkey-server")
        for pid in first.pids(needle)
    ]
    assert len(pids) >= 6
    assert first.pids("valkey-server")
    first.stop()
    wait_until(lambda: not any(is_running(pid) for pid in pids), 60)

    provided = os.environ["REDIS_URL"]
    redis.Redis.from_url(provided).ping()  # this process's own server starts with the first who asks here
    again = Stack(tmp_path, SANDBOX_SECONDS="0", REDIS_URL=provided)
    again.environment["PORT"] = str(first.port)
    again.start()
    assert again.pids("valkey-server") == []
    assert again.pids("granian")
    again.discard()
    assert again.output == first.output


def draw_as_printed(greeting: str) -> Image.Image:
    """Run the greeting's command and return the image that it makes."""
    command = greeting[greeting.index("curl ") : greeting.index("Images are drawn")].strip()
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    url = re.search(r'"url": "([^"]+)"', answer.stdout)
    assert url, answer
    return Image.open(io.BytesIO(httpx.get(url[1], timeout=60).content))


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = run({**Stack(tmp_path).environment, "PORT": str(port)})
    assert answer.returncode == 1
    assert answer.stderr.strip().count("\n") == 0
    assert f"Port {port} is taken" in answer.stderr


def test_two_do_not_share_one_folder(stack: Stack) -> None:
    answer = run({**stack.environment, "PORT": str(free_port())})
    assert answer.returncode == 1
    assert "is running from" in answer.stderr


def test_production_refuses_to_start_without_its_secret(tmp_path: Path) -> None:
    answer = run({**Stack(tmp_path).environment, "REVE_API_KEY": "live"})
    assert answer.returncode == 1
    assert "SECRET_KEY" in answer.stderr
    assert "Traceback" not in answer.stderr
