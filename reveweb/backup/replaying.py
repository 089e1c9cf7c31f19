"""A copy of PostgreSQL's played into the server: `pg_restore` writes a script, and `psql` runs it in one transaction.

A `pg_restore` that is newer than the server begins with settings that the server does not know. Asked to connect by
itself it ends at the first of them; in a script they can be left out.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from reveweb.backup import programs, unfinished
from reveweb.backup.errors import Unable

_AT_ONCE = 1024 * 1024
# What a script begins with, and no statement of the copy's own.
_PREAMBLE = (b"--", b"\\", b"SET ", b"SELECT pg_catalog.set_config(")
_KNOWN_SINCE = {b"SET transaction_timeout = 0;": 17}  # major version of the server
_WHOLE = ["--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]


def replay(copy: Path, *, first: str) -> None:
    """Run the statements of `first`, and then what makes the copy: all of it or nothing. Raises Unable, psycopg.Error.

    Only the last line of the script commits, so that one that ends too soon, whoever dies, changes nothing.
    """
    _play([*_WHOLE, str(copy)], first=first, last="COMMIT;")


def rehearse(copy: Path) -> None:
    """Find out whether the server takes what each script begins with; nothing is changed.

    Raises Unable, psycopg.Error where the server is away.
    """
    _play(["--use-list=/dev/null", str(copy)], first="", last="ROLLBACK;")


def _play(asked: list[str], *, first: str, last: str) -> None:
    with unfinished.connected() as database:
        major = database.info.server_version // 10_000
    environment, named = programs.as_libpq()
    known = ["--no-password", *([f"--dbname={named}"] if named else [])]
    writes = ["pg_restore", "--file=-", *asked]
    runs = ["psql", *known, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with (
        _started(writes, {}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as (source, of_source),
        _started(runs, environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as (target, of_target),
    ):
        is_taken = _pumped(source, target, first=f"BEGIN;\n{first}\n", last=f"{last}\n", major=major)
        if is_taken and source.wait():  # whatever psql says then is about half a statement
            raise Unable(programs.complaint(writes[0], _read(of_source), source.returncode))
        if target.wait() or not is_taken:
            raise Unable(programs.complaint(runs[0], _read(of_target), target.returncode))


def _pumped(source: Any, target: Any, *, first: str, last: str, major: int) -> bool:
    """Have one read what the other writes, up to `last` only if that is whole; tell whether all was taken."""
    try:
        with target.stdin as into:
            into.write(first.encode())
            for line in _beginning(source.stdout, major):
                into.write(line)
            shutil.copyfileobj(source.stdout, into, _AT_ONCE)
            if source.wait() == 0:
                into.write(last.encode())
    except BrokenPipeError:
        return False
    return True


def _beginning(script: IO[bytes], major: int) -> Iterator[bytes]:
    """Yield the lines up to the first statement of the copy's own, without settings that the server does not know."""
    for line in iter(script.readline, b""):
        if _KNOWN_SINCE.get(line.strip(), 0) <= major:
            yield line
        if line.strip() and not line.startswith(_PREAMBLE):
            return


@contextmanager
def _started(
    command: list[str], environment: dict[str, str], **pipes: Any
) -> Iterator[tuple["subprocess.Popen[bytes]", IO[str]]]:
    """Give a program that runs, and what it says; it is gone after the block, however that ends."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:  # a pipe that nobody empties would hold it up
        try:
            process = programs.started(command, environment, stderr=said, **pipes)
        except OSError as error:
            raise Unable(f"{command[0]} cannot be started: {error.strerror}") from None
        try:
            yield process, said
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()
            process.wait()


def _read(said: IO[str]) -> str:
    said.seek(0)
    return said.read()
