"""Faults that are planted into a site, each named with what the doctor has to say of it."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reveweb.doctor.findings import Level
from reveweb.run import embedded
from tests.environment import free_port, stop, wait_for_port


@dataclass
class Site:
    """What a fault is planted into. What it opens is closed at the end of the test."""

    settings: Any
    patch: pytest.MonkeyPatch
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def valkey(self, *options: str) -> str:
        """Start a Valkey of one's own, have the site use it, and return its URL."""
        url = self.stack.enter_context(valkey(self.folder, *options))
        self.settings.REDIS_URL = url
        return url


@dataclass(frozen=True)
class Fault:
    """`plant` puts it there; the doctor then names it, says this of its cause, and this of its cure."""

    name: str
    check: str
    level: Level
    cause: str
    cure: str
    plant: Callable[[Site], object]
    marks: tuple[Any, ...] = ()


FAULTS: list[Fault] = []
Plant = Callable[[Site], object]


def planted(name: str, check: str, level: Level, *, cause: str, cure: str, marks: Any = ()) -> Callable[[Plant], Plant]:
    """Put a fault into the table."""

    def put(plant: Plant) -> Plant:
        FAULTS.append(Fault(name, check, level, cause, cure, plant, marks))
        return plant

    return put


@contextlib.contextmanager
def valkey(folder: Path, *options: str) -> Iterator[str]:
    """Run a Valkey with these options, as `("--save", "")`, and give its URL."""
    port = free_port()
    command = [
        str(embedded.valkey_server()),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop(process)
