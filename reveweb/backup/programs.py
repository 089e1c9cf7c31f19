"""PostgreSQL's client programs, told how the site connects."""

import os
import re
import shutil
import subprocess
from typing import Any

from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo

from reveweb.backup.errors import Unable


def found(name: str, *, least: int, why: str) -> tuple[str, str]:
    """Return a client program and what it says of its version, if that is major version `least` or newer.

    Raises Unable, with `why` it has to be so new.
    """
    cure = f"Install the client programs of PostgreSQL {least} or newer (on Debian: postgresql-client-{least})"
    program = shutil.which(name)
    if program is None:
        raise Unable(f"A backup of PostgreSQL takes {name}, which is not on PATH. {cure}.")
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()  # noqa: S603 (ours)
    if (major := major_of(said)) is None or major < least:
        raise Unable(f"{said or program} is too old for {why}, which is of version {least}. {cure}.")
    return program, said


def major_of(said: str) -> int | None:
    """Return the major version in what a client program says of itself."""
    match = re.search(r"\b(\d+)", said)
    return int(match[1]) if match else None


def run(command: list[str], *, server: dict[str, str] | None = None) -> None:
    """Run one that connects as the site does; `server` overrides where several are named.

    Raises Unable with the first line of what it complained of.
    """
    environment, named = as_libpq()
    if "," in environment.get("PGHOST", "") + environment.get("PGHOSTADDR", ""):
        environment |= server or {}
    program, *arguments = command
    printed([program, "--no-password", *([f"--dbname={named}"] if named else []), *arguments], environment)


def printed(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run one and return what it printed. Raises Unable with the first line of what it complained of."""
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)  # noqa: S603 (ours)
    if done.returncode:
        raise Unable(complaint(command[0], done.stderr, done.returncode))
    return done.stdout


def started(command: list[str], environment: dict[str, str], **pipes: Any) -> "subprocess.Popen[bytes]":
    """Begin to run one. Raises OSError."""
    return subprocess.Popen(command, env={**os.environ, **environment}, **pipes)  # noqa: S603 (ours)


def complaint(program: str, said: str, status: int) -> str:
    """Return the first line in which a program that ended with `status` says what is wrong."""
    name = os.path.basename(program)
    lines = [line.removeprefix(f"{name}: ") for line in said.strip().splitlines()]
    # psql says `psql:<stdin>:12: ERROR:  …` of a line of its script.
    telling = [line for line in lines if re.match(rf"({name}:\S+: )?(error|ERROR|FATAL): ", line)]
    first = (telling or lines or [f"it ended with status {status}"])[0]
    return re.sub(rf"^({name}:\S+: )?(error|ERROR|FATAL): +", "", first)


def as_libpq() -> tuple[dict[str, str], str]:
    """Return how the site connects: as the programs' environment, and the few things that has no name for.

    Everybody on a machine can read command lines, so no secret is among the latter. Raises Unable.
    """
    options = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    given = {name: str(value) for name, value in connection.get_connection_params().items() if name in options}
    environment = {option.envvar.decode(): given[name] for name in given if (option := options[name]).envvar}
    others = {name: value for name, value in given.items() if not options[name].envvar}
    if secret := [name for name in others if options[name].dispchar == b"*"]:
        raise Unable(f"DATABASE_URL has {secret[0]}, which PostgreSQL's programs take on their command line alone.")
    return environment, make_conninfo(**others) if others else ""
