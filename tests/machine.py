"""Sees to the programs that the checks need beside Python, as in `python -m tests.machine chromium node`.

Only on Debian and its kin, as root or by a sudo that asks nothing; elsewhere it says what to install.
"""

import os
import shutil
import subprocess
import sys

from tests.browser import chromium

PACKAGES = {
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
    "curl": "curl",
    "exiftool": "libimage-exiftool-perl",
    "psql": "postgresql-client",
    "redis-cli": "redis-tools",
}
ARIAL = "fonts-liberation"


def missing(programs: list[str]) -> list[str]:
    """Return those of `programs` that are not here."""
    return [one for one in programs if not (chromium.path() if one == "chromium" else shutil.which(one))]


def provide(programs: list[str]) -> bool:
    """Install what is missing of `programs` and tell whether all are here now."""
    wanted = missing(programs)
    if wanted and shutil.which("apt-get"):
        _install([PACKAGES[one] for one in wanted])
    if "chromium" in programs and not chromium.is_quick() and _is_known(chromium.SHELL):
        _install([chromium.SHELL], update=False)
    if "chromium" in programs and not _has_arial() and _is_known(ARIAL):
        _install([ARIAL], update=False)
    if still := missing(programs):
        print(f"Missing: {', '.join(still)}. Install {'it' if len(still) == 1 else 'them'} and try again.", flush=True)
    return not still


def _has_arial() -> bool:
    """Tell whether there is Arial, or what has its measures: what pages show until their own type face has come."""
    if not shutil.which("fc-match"):
        return False
    found = subprocess.run(["fc-match", "--format=%{family}", "Arial"], capture_output=True, text=True, check=False)
    return found.stdout.startswith(("Arial", "Arimo", "Liberation Sans"))


def _is_known(package: str) -> bool:
    """Tell whether apt can install `package`; Ubuntu has none of some that Debian has."""
    if not shutil.which("apt-cache"):
        return False
    listing = subprocess.run(["apt-cache", "show", "--no-all-versions", package], capture_output=True, check=False)
    return listing.returncode == 0


def _install(packages: list[str], *, update: bool = True) -> None:
    print(f"Installing {', '.join(packages)} …", flush=True)
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install) if update else (install,):
        silent = subprocess.DEVNULL
        subprocess.run([*prefix, *command], check=False, env=environment, stdin=silent, stdout=silent)


if __name__ == "__main__":
    sys.exit(0 if provide(sys.argv[1:]) else 1)
