"""Runs checks in lanes that go side by side, and sums up: what passed, where the time went, what repeats a failure."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import ROOT

OWN = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}  # what each check gets from here and not from outside
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=10", "--durations-min=1"]
SHOWN = 12  # failed tests, and folders in the table of times
REASON_LINES, REASON_WIDTH = 6, 300  # of each: the end of the output is what a service shows for certain
GRACE_SECONDS = 20  # that a pass has for ending what it started once it is interrupted


@dataclass
class Check:
    """One command that passes or fails. `again` is what repeats failed tests of it, in front of `T=…`."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    again: str = "make t"
    nice: int = 0
    none_is_fine: bool = False  # pytest calls it a failure when it finds no test
    passed: bool | None = None
    seconds: float = 0.0
    tests: dict[str, Any] = field(default_factory=dict)


def run(lanes: Iterable[list[Check]]) -> int:
    """Run the lanes side by side, the checks of each one after the other, and return the process's exit status."""
    lanes = list(lanes)
    office = _Office()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    threads = [threading.Thread(target=office.work, args=(lane,), daemon=True) for lane in lanes]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except KeyboardInterrupt:
        print("\nInterrupted: ending what runs …", flush=True)
        office.stop()
        return 130
    checks = [check for lane in lanes for check in lane]
    _sum_up(checks, time.monotonic() - began)
    return 0 if all(check.passed for check in checks) else 1


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


class _Office:
    """Starts the processes of checks, and knows which of them run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def work(self, lane: list[Check]) -> None:
        for check in lane:
            with tempfile.TemporaryDirectory(prefix="reveweb-check-") as folder:
                self._run(check, Path(folder))
            if self._closed:
                return

    def stop(self) -> None:
        """Ask everything to end, and end what does not."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for process in running:
            _end_session(process.pid)

    def _run(self, check: Check, folder: Path) -> None:
        inherited = {key: value for key, value in os.environ.items() if key not in OWN}
        environment = {**inherited, **check.environment, "TEST_REPORT": str(folder / "report.json")}
        command = ["nice", "-n", str(check.nice), *check.command] if check.nice else check.command
        began = time.monotonic()
        with (folder / "output").open("wb") as output:
            with self._lock:
                if self._closed:
                    return
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that all that it leaves behind can be found
                )
                self._running.append(process)
            status = process.wait()
            _end_session(process.pid)
        check.seconds = time.monotonic() - began
        check.passed = status == 0 or (check.none_is_fine and status == 5)
        with contextlib.suppress(FileNotFoundError):
            check.tests = json.loads((folder / "report.json").read_text())
        with self._lock:
            self._running.remove(process)
            if not self._closed:
                print(f"\n--- {check.name}: {_verdict(check)} in {check.seconds:.1f} s", flush=True)
                sys.stdout.buffer.write((folder / "output").read_bytes())
                sys.stdout.flush()


def _end_session(leader: int) -> None:
    """Kill whatever still runs in the session of a process that has ended."""
    listing = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout
    for pid in map(int, listing.split()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def _verdict(check: Check) -> str:
    return "passed" if check.passed else "FAILED"


def _sum_up(checks: list[Check], seconds: float) -> None:
    print("\n" + "=" * 60)
    _print_times(checks)
    for check in checks:
        count = sum(check.tests.get("tests", {}).values())
        print(f"{_verdict(check):<8}{check.seconds:7.1f} s  {check.name}{f' ({count} tests)' if count else ''}")
    failed = [check for check in checks if not check.passed]
    print(f"checks: {len(checks) - len(failed)} passed, {len(failed)} failed, in {seconds:.0f} s")
    for check in failed:
        print(f"\nFAILED: {check.name}")
        reasons = check.tests.get("failed", {})
        ids = list(reasons)
        for name in ids[:SHOWN]:
            print(f"  {name}")
            for line in reasons[name].splitlines()[:REASON_LINES]:
                print(f"    | {line[:REASON_WIDTH]}")
        if len(ids) > SHOWN:
            print(f"  and {len(ids) - SHOWN} more")
        print(f"  again: {_again(check, ids)}")
    sys.stdout.flush()
    _remember([name for check in failed if check.again == "make t" for name in check.tests.get("failed", {})])


def _print_times(checks: list[Check]) -> None:
    """Show in which folders the tests spent their time, all processes and passes together."""
    seconds: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for check in checks:
        for file, spent in check.tests.get("seconds", {}).items():
            seconds[str(Path(file).parent)] += spent
            tests[str(Path(file).parent)] += check.tests["tests"].get(file, 0)
    if seconds:
        print("Where the tests' time went, summed over processes and passes:")
        for folder, spent in seconds.most_common(SHOWN):
            print(f"{spent:9.1f} s  {folder} ({tests[folder]} tests)")
        print()


def _again(check: Check, ids: list[str]) -> str:
    if not ids:
        return shlex.join(
            [os.path.relpath(part, ROOT) if part.startswith(str(ROOT)) else part for part in check.command]
        )
    if len(ids) > SHOWN:
        return f'{check.again} T="{" ".join(sorted({name.partition("::")[0] for name in ids}))}"'
    return f'{check.again} T="{" ".join(dict.fromkeys(map(_typed, ids)))}"'


def _typed(name: str) -> str:
    """A test's name as one can type it: without its parameters where a shell would read something into them."""
    return name if re.fullmatch(r"[\w./:\[\]+@,-]+", name) else name.partition("[")[0]


def _remember(failed: list[str]) -> None:
    """Let `make t T=--lf` repeat what failed in whatever pass."""
    if failed:
        path = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict.fromkeys(failed, True)))
