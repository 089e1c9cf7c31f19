"""`make lock`: pin what the manifests ask for, with hashes, for every platform, and say what changed.

By itself it keeps every pin and adds what a manifest newly asks for. A release becomes eligible once it is a week old:
most poisoned releases are found and withdrawn within days. `COOLDOWN="0 days"` takes a security fix at once.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
# The last one is bound by the pins of the others.
MANIFESTS = sorted(
    (path.stem for path in ROOT.glob("requirements*.in")), key=lambda name: (name.endswith("-dev"), name)
)
COOLDOWN = "7 days"
UV = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet"]
# Without the address of an index: it would be the one of whoever ran this.
FORM = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

Pins = dict[str, Version]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile each manifest and print what changed. Returns uv's exit status."""
    parser = argparse.ArgumentParser(prog="make lock")
    parser.add_argument("--upgrade", action="store_true", help="renew every pin")
    parser.add_argument("--package", action="append", default=[], help="renew this one")
    parser.add_argument("--cooldown", default=COOLDOWN, help='how old a release has to be, as in "7 days"')
    chosen = parser.parse_args(arguments)
    wanted = ["--upgrade"] if chosen.upgrade else [f"--upgrade-package={name}" for name in chosen.package]
    for name in MANIFESTS:
        lock = ROOT / f"{name}.txt"
        before = pins(lock.read_text())
        status = _compile(name, [*wanted, f"--exclude-newer={chosen.cooldown}"], before)
        if status:
            return status
        print(f"{lock.name}:{report(before, pins(lock.read_text()))}", flush=True)
    return 0


def pins(lock: str) -> Pins:
    """Return the version that the text of a lock file pins for each package."""
    return {name: Version(version) for name, version in PIN.findall(lock)}


def report(before: Pins, after: Pins) -> str:
    """Tell what changed between two sets of pins, a line for each package."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"+ {name} {new}")
        elif new is None:
            lines.append(f"- {name} {old}")
        else:
            note = " (a major version)" if new.major != old.major else ""
            lines.append(f"{'↑' if new > old else '↓'} {name} {old} → {new}{note}")
    return "".join(f"\n  {line}" for line in lines) or " nothing changed"


def _compile(name: str, options: list[str], before: Pins) -> int:
    lock = ROOT / f"{name}.txt"
    kept = lock.read_text()
    command = [*UV, *FORM, *options, f"{name}.in", "--output-file", lock.name]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    after = pins(lock.read_text())
    # A pin younger than the cool-down was chosen by somebody, so it stays, though uv no longer sees that release.
    young = [f"--exclude-newer-package={one}=0 days" for one in before if one in after and after[one] < before[one]]
    if status or not young:
        return status
    lock.write_text(kept)
    return subprocess.run([*command, *young], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
