"""`make mutants`: plant each fault of the list in a copy of the tree, and see that its tests notice.

    python -m tests.mutants [NAME …] [-j 2]

1. Refuse faults that do not fit the source.
2. Run all named tests once on the tree as it is: a test that fails anyway proves nothing.
3. Plant one fault, run its tests, take it out again; each worker has a copy of its own, and the checkout is only read.

A fault is killed when one of its tests fails. One that ends in an import or syntax error, or before any test has begun,
was badly planted.
"""

import argparse
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from xml.etree import ElementTree

import psycopg
from psycopg.sql import SQL, Identifier

from tests.mutants.faults import ROOT, BadlyPlanted, Fault, check, load

POSTGRES = "postgres://postgres@127.0.0.1:5432"
OWN = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}  # what tests get from here and not from outside
DATABASES = f"mutants_{os.getpid()}"  # how the names of our databases begin, behind what Django puts before them
PATIENCE_SECONDS = 180  # for the tests of one fault; all of them together have ten times as long
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:playwright"]

_BREAKS = re.compile(r"(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError|UnboundLocalError)\b")
_LEFT_BEHIND = 'failed on teardown with "AssertionError'  # as when a fixture audits the books after its test


@dataclass(frozen=True)
class Outcome:
    """What became of one test: `word` is passed, failed, error or skipped."""

    test: str
    word: str
    message: str = ""

    @property
    def is_kill(self) -> bool:
        """Whether the test itself noticed something."""
        noticed = self.word == "failed" or (self.word == "error" and self.message.startswith(_LEFT_BEHIND))
        return noticed and not _BREAKS.match(self.message)


@dataclass(frozen=True)
class Verdict:
    """What became of a fault: `word` is killed, SURVIVED, or why nothing can be said."""

    fault: Fault
    word: str
    seconds: float = 0.0
    note: str = ""


@dataclass
class Copy:
    """A copy of the tree that one worker runs tests in."""

    folder: Path
    database: str

    @classmethod
    def of_checkout(cls, folder: Path) -> "Copy":
        """Copy what Git knows, and what is new and not ignored, as it is now."""
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        for name in filter(None, os.fsdecode(listing.stdout).split("\0")):
            if (ROOT / name).is_file():  # what was deleted and not committed is still listed
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        return cls(folder, f"{POSTGRES}/{DATABASES}_{folder.name}")

    @contextmanager
    def with_fault(self, fault: Fault) -> Iterator[None]:
        """Have `fault` in the copy while inside. Raises BadlyPlanted."""
        path = self.folder / fault.path
        source = path.read_text()
        self._write(path, fault.planted(source))
        try:
            yield
        finally:
            self._write(path, source)

    def run(self, tests: Iterable[str], database: str, *options: str, seconds: float) -> list[Outcome]:
        """Run the tests and return what became of each that was begun. Raises BadlyPlanted when none was."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in OWN}
        if database == "postgresql":
            environment["DATABASE_URL"] = self.database
        process = subprocess.Popen(
            [*PYTEST, *options, f"--junitxml={report}", *tests],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            words, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it ends the servers that it began
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
            raise BadlyPlanted(f"its tests did not end within {seconds:.0f} s") from None
        if not report.is_file():
            raise BadlyPlanted(words.strip()[-2000:] or f"pytest ended with status {process.returncode}")
        return list(_outcomes(report))

    @staticmethod
    def _write(path: Path, source: str) -> None:
        path.write_text(source)
        # Python knows stale bytecode by the source's size and second, and both may stay the same.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def main() -> int:
    """Plant the faults that were asked for, print what became of each, and return the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Plant faults and see them noticed.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to plant; all of the list when none is named")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many are tried at a time (2)")
    wanted = parser.parse_args()
    faults = load()
    if unknown := set(wanted.names) - {fault.name for fault in faults}:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}")
    if wanted.names:
        faults = [fault for fault in faults if fault.name in wanted.names]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reveweb-mutants-") as folder:
        copies = [Copy.of_checkout(Path(folder) / str(number)) for number in range(max(1, wanted.jobs))]
        try:
            verdicts = list(_try_all(faults, copies))
        finally:
            _drop_databases()
    words = Counter(verdict.word for verdict in verdicts)
    print("\n" + "=" * 60)
    for verdict in verdicts:
        if verdict.word != "killed":
            print(f"{verdict.word}: {verdict.fault.name} in {verdict.fault.path}: {verdict.fault.cost}")
    summary = ", ".join(f"{count} {word}" for word, count in words.most_common())
    print(f"planted faults: {summary}; {time.monotonic() - start:.0f} s", flush=True)
    proven = words["killed"] + (0 if os.environ.get("REQUIRE_SERVICES") else words["not run"])
    return 0 if proven == len(verdicts) else 1


def _try_all(faults: list[Fault], copies: list[Copy]) -> Iterator[Verdict]:
    """Yield what becomes of each fault, as it becomes known."""
    fitting = []
    for fault in faults:
        try:
            check(fault)
        except BadlyPlanted as error:
            yield _told(Verdict(fault, "badly planted", note=str(error)))
            continue
        if fault.database == "postgresql" and not _answers(5432):
            yield _told(Verdict(fault, "not run", note="PostgreSQL does not answer on its standard local port"))
            continue
        fitting.append(fault)
    broken = _broken(fitting, copies)
    sound = []
    for fault in fitting:
        if bad := broken & {(fault.database, test) for test in fault.tests}:
            names = ", ".join(sorted(test for _, test in bad))
            yield _told(Verdict(fault, "broken tests", note=f"without the fault, these do not pass: {names}"))
        else:
            sound.append(fault)
    yield from _at_once(sound, copies)


def _at_once(faults: list[Fault], copies: list[Copy]) -> Iterator[Verdict]:
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def work(fault: Fault) -> Verdict:
        copy = free.get()
        try:
            return _try(fault, copy)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for future in as_completed([pool.submit(work, fault) for fault in faults]):
                yield _told(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _try(fault: Fault, copy: Copy) -> Verdict:
    start = time.monotonic()
    try:
        with copy.with_fault(fault):
            outcomes = copy.run(fault.tests, fault.database, "-x", seconds=PATIENCE_SECONDS)
    except BadlyPlanted as error:
        return Verdict(fault, "badly planted", time.monotonic() - start, str(error))
    seconds = time.monotonic() - start
    if kill := next((outcome for outcome in outcomes if outcome.is_kill), None):
        return Verdict(fault, "killed", seconds, kill.test)
    if odd := next((outcome for outcome in outcomes if outcome.word != "passed"), None):
        return Verdict(fault, "badly planted", seconds, f"{odd.test}: {odd.word}: {odd.message[:300]}")
    if not outcomes:
        return Verdict(fault, "badly planted", seconds, "no test was begun")
    return Verdict(fault, "SURVIVED", seconds, ", ".join(fault.tests))


def _broken(faults: list[Fault], copies: list[Copy]) -> set[tuple[str, str]]:
    """Run all tests of the faults on the tree as it is; return those that do not pass, with their database."""
    wanted: list[tuple[str, str]] = sorted({(fault.database, test) for fault in faults for test in fault.tests})
    print(f"{len(faults)} faults, {len(wanted)} tests; first without any fault …", flush=True)
    start = time.monotonic()
    shares = [wanted[number :: len(copies)] for number in range(len(copies))]
    with ThreadPoolExecutor(len(copies)) as pool:
        found = [each for share in pool.map(_passing, copies, shares) for each in share]
    broken = set(wanted) - set(found)
    print(f"{len(wanted) - len(broken)} pass; {time.monotonic() - start:.0f} s\n", flush=True)
    return broken


def _passing(copy: Copy, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    passing = []
    for database in ("sqlite", "postgresql"):
        tests = [test for where, test in wanted if where == database]
        if not tests:
            continue
        try:
            outcomes = copy.run(tests, database, seconds=10 * PATIENCE_SECONDS)
        except BadlyPlanted as error:
            print(error, flush=True)
            continue
        for outcome in outcomes:
            if outcome.word != "passed":
                print(f"{outcome.word} without a fault, on {database}: {outcome.test}: {outcome.message[:300]}")
        words: dict[str, set[str]] = {}
        for outcome in outcomes:
            for name in (outcome.test, outcome.test.partition("[")[0]):  # a test stands for all of its cases
                words.setdefault(name, set()).add(outcome.word)
        passing += [(database, test) for test in tests if words.get(test) == {"passed"}]
    return passing


def _outcomes(report: Path) -> Iterator[Outcome]:
    for case in ElementTree.parse(report).iter("testcase"):
        test = _node_id(case.get("classname", ""), case.get("name", ""))
        results = {result.tag: result.get("message", "") for result in case}
        word = next((tag for tag in ("failure", "error", "skipped") if tag in results), "passed")
        yield Outcome(test, "failed" if word == "failure" else word, results.get(word, ""))


def _node_id(owner: str, name: str) -> str:
    """Return `tests/a/test_b.py::Class::test_c` for the report's `tests.a.test_b.Class` and `test_c`."""
    parts = owner.split(".")
    module = next((number for number, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "::".join(["/".join(parts[: module + 1]) + ".py", *parts[module + 1 :], name])


def _told(verdict: Verdict) -> Verdict:
    print(f"{verdict.word:<14}{verdict.seconds:6.1f} s  {verdict.fault.name}: {verdict.note}", flush=True)
    return verdict


def _drop_databases() -> None:
    """Drop what tests made for the copies and would have found again, if the copies stayed."""
    if not _answers(5432):
        return
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as connection:
        made = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"test_{DATABASES}_"]
        ).fetchall()
        for (name,) in made:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
