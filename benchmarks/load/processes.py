"""What processes cost, from /proc: seconds of processor and resident memory, for a process and all its children."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024


def cpu(pids: Iterable[int]) -> float:
    """Return the seconds of processor that `pids` took so far, with their ended children; gone ones count nothing."""
    return sum(sum(map(int, stat[11:15])) for stat in map(_stat, pids) if stat) / TICK


def memory(pids: Iterable[int]) -> float:
    """Return the MiB that `pids` hold, where what several share counts once for all (PSS), else what each holds."""
    return sum(_memory(pid) for pid in pids) / MIB


def busy(seconds: float = 3.0) -> float:
    """Return how many cores the whole machine kept busy over `seconds`."""
    before, began = _busy_ticks(), time.monotonic()
    time.sleep(seconds)
    return (_busy_ticks() - before) / TICK / (time.monotonic() - began)


def tree(root: int) -> list[int]:
    """Return `root` and all its descendants."""
    parents = {int(entry.name): int(stat[1]) for entry in _processes() if (stat := _stat(int(entry.name)))}
    family = [root]
    for pid in family:  # grows while it is walked
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def command(pid: int) -> str:
    """Return the command line of `pid`, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def backends(database: str) -> list[int]:
    """Return PostgreSQL's processes that serve connections to `database`."""
    found = [(int(entry.name), command(int(entry.name))) for entry in _processes()]
    return [pid for pid, line in found if line.startswith("postgres:") and f" {database} " in line]


def named(*names: str) -> list[int]:
    """Return the processes of these names, whoever started them."""
    return [pid for entry in _processes() if _name(pid := int(entry.name)) in names]


def end(process: subprocess.Popen[bytes], seconds: float = 20, grace: float = 5) -> None:
    """End `process` within `seconds`, and `grace` later whatever it started: if need be without asking."""
    family = tree(process.pid)
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    known = {pid: command(pid) for pid in family[1:]}
    last = time.monotonic() + grace
    while (left := [pid for pid, line in known.items() if line and command(pid) == line]) and time.monotonic() < last:
        time.sleep(0.1)
    for pid in left:
        _signal(pid, signal.SIGKILL)


def pause(pids: Iterable[int]) -> None:
    """Stop `pids` where they are (SIGSTOP), until `resume`."""
    for pid in pids:
        _signal(pid, signal.SIGSTOP)


def resume(pids: Iterable[int]) -> None:
    """Let `pids` go on."""
    for pid in pids:
        _signal(pid, signal.SIGCONT)


def until(check: Callable[[], object], seconds: float, what: str) -> None:
    """Return once `check` is true. Raises TimeoutError."""
    last = time.monotonic() + seconds
    while not check():
        if time.monotonic() > last:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _busy_ticks() -> int:
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return user + nice + system + sum(rest)


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on (state, parent, …); none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0
