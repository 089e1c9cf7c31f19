"""Drives each client against a running installation and gathers what its rows tell."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from PIL import Image

from tests.conformance.clients import CLIENTS, Client, environment
from tests.installation import Stack

# So that nobody is given anything, and images are there soon: on a machine that is busy with other tests within the
# wait, for which only one that is sent slowly takes too long.
SETTINGS = {
    "WELCOME_CREDITS": "0",
    "SANDBOX_SECONDS": "0.2",
    "SANDBOX_PICTURES": "plain",
    "SANDBOX_SLOW_SECONDS": "25",
    "SYNC_WAIT_SECONDS": "20",
    "UPLOAD_RATE_LIMIT_PER_MINUTE": "1000",
    "STATUS_RATE_LIMIT_PER_MINUTE": "100000",
}
SECONDS = 240
AT_ONCE = 3  # clients: what all of them ask for at once would wait longer than that on a busy machine

Name = tuple[str, str]  # the call and the case


@dataclass
class Told:
    """What a client's driver told."""

    version: str = ""
    rows: dict[Name, str] = field(default_factory=dict)
    errors: str = ""


def drive(stack: Stack) -> dict[str, Told]:
    """Drive all clients, some at once, each with people of its own, and return what they tell, by the client's slug."""
    with _folder() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        known = {client.slug: _facts(stack, client, folder / client.slug) for client in CLIENTS}
        told = list(pool.map(lambda client: _driven(client, known[client.slug]), CLIENTS))
    return {client.slug: one for client, one in zip(CLIENTS, told, strict=True)}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="reveweb-conformance-") as name:
        yield Path(name)


def _facts(stack: Stack, client: Client, folder: Path) -> str:
    """Return what a driver has to know, as JSON."""
    folder.mkdir()
    picture, mask = folder / "picture.png", folder / "mask.png"
    Image.new("RGB", (160, 90), "navy").save(picture)
    Image.new("RGBA", (160, 90), (0, 0, 0, 0)).save(mask)
    name = f"{client.slug}-{uuid4().hex[:8]}"
    words = f"from tests.conformance.furnish import furnish; furnish({name!r})"
    keys = json.loads(stack.manage("shell", "-v", "0", "-c", words))
    return json.dumps({"url": stack.url, "folder": str(folder), "png": str(picture), "mask": str(mask), **keys})


def _driven(client: Client, facts: str) -> Told:
    told = Told()
    try:
        done = subprocess.run(
            [*client.command, facts],
            env=environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
        )
        output, told.errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        told.errors = f"not within {SECONDS} seconds"
    for line in output.splitlines():
        if not line.startswith("{"):
            continue
        row = json.loads(line)
        if "version" in row:
            told.version = row["version"]
        else:
            told.rows[row["call"], row["case"]] = row["told"]
    return told
