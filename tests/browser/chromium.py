"""The machine's own Chromium."""

import os
import shutil
from typing import Any

# The shell without a browser around it comes first: the same engine, and a page in it takes half of the time, for the
# whole browser opens a window with tabs and buttons for each one, though nobody sees them.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def path() -> str | None:
    """Return where Chromium is: `CHROME_PATH`, or else the first of its usual names that is installed."""
    return os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, NAMES)), None)


def launch_options() -> dict[str, Any]:
    """What Playwright needs to start it; as root Chromium runs only without its own sandbox."""
    found = path()
    assert found, "no Chromium found: install it (Debian: apt install chromium-headless-shell), or set CHROME_PATH"
    return {"executable_path": found, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}
