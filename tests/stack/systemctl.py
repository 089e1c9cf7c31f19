"""Stands in for systemd where a test follows the operator's document: it starts and ends what the unit files say.

As much of `systemctl` as the document uses: enable --now, start, stop, restart, reload (of nginx), daemon-reload. UNITS
is the folder of the units, and of the log and the process id of each that runs.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def read(units: Path, name: str) -> list[tuple[str, str]]:
    """Return the settings of a unit, in order."""
    stem, at, instance = name.partition("@")
    text = (units / (f"{stem}@.service" if at else name if "." in name else f"{name}.service")).read_text()
    pairs = re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    return [(key, value.replace("%i", instance).replace("%%", "%")) for key, value in pairs]


def members(units: Path, target: str) -> list[str]:
    """Return the services that a target wants, and those that run as a part of it."""
    wanted = dict(read(units, target))["Wants"].split()
    running = [path.stem for path in sorted(units.glob("*.pid"))]
    return list(dict.fromkeys([*(one.removesuffix(".service") for one in wanted), *running]))


def pid_of(units: Path, name: str) -> int | None:
    """Return the process id of a service that runs."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((units / f"{name}.pid").read_text())
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            return pid
    return None


def start(units: Path, name: str) -> None:
    """Start a service, unless it runs."""
    if pid_of(units, name):
        return
    settings = read(units, name)
    told = dict(settings)
    own = dict(value.split("=", 1) for key, value in settings if key == "Environment")
    with (units / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            shlex.split(told["ExecStart"]), cwd=told["WorkingDirectory"], env={**os.environ, **own},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (units / f"{name}.pid").write_text(str(process.pid))


def stop(units: Path, name: str) -> None:
    """End a service: SIGTERM to its main process, and SIGKILL to all of it after `TimeoutStopSec`."""
    if pid := pid_of(units, name):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + float(dict(read(units, name))["TimeoutStopSec"])
        while pid_of(units, name) and time.monotonic() < end:
            time.sleep(0.05)
        if pid_of(units, name):
            print(f"{name} had to be killed", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    (units / f"{name}.pid").unlink(missing_ok=True)


def reload_nginx() -> None:
    """Have nginx read its configuration anew, and start it where it does not run."""
    nginx = shutil.which("nginx")
    if nginx and subprocess.run([nginx, "-s", "reload"], capture_output=True).returncode:
        subprocess.run([nginx], check=True)


def main(units: Path, words: list[str]) -> None:
    """Do what one call of `systemctl` asks for."""
    act, *names = [word for word in words if word != "--now"]
    if act == "daemon-reload":
        return None
    if names == ["nginx"]:
        return reload_nginx()
    services = [one for name in names for one in (members(units, name) if name.endswith(".target") else [name])]
    if act in ("stop", "restart"):
        for service in services:
            stop(units, service)
    if act in ("start", "restart", "enable"):
        for service in services:
            start(units, service)
    return None


if __name__ == "__main__":
    main(Path(os.environ["UNITS"]), sys.argv[1:])
