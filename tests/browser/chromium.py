"""The machine's own Chromium."""

import os
import shutil
from typing import Any

# The engine without a browser around it. A page takes half of the time in it: the whole browser opens a window with
# tabs and buttons for each one, though nobody sees them.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def path() -> str | None:
    """Return where Chromium is: `CHROME_PATH`, or else the first of its usual names that is installed."""
    return os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, NAMES)), None)


def whole() -> str | None:
    """Return where a whole browser is: the engine alone keeps no pages for Back and Forward."""
    return next(filter(None, map(shutil.which, NAMES[1:])), None)


def is_quick() -> bool:
    """Tell whether what `path` returns is no whole browser, or is what somebody chose."""
    return "CHROME_PATH" in os.environ or shutil.which(SHELL) is not None


def launch_options() -> dict[str, Any]:
    """What Playwright needs to start it; as root Chromium runs only without its own sandbox."""
    found = path()
    assert found, f"no Chromium found: install it (Debian: apt install {SHELL}), or set CHROME_PATH"
    return {"executable_path": found, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}
