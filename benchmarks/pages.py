"""`make lighthouse`: Lighthouse's four scores and the weight of pages of a production run in real Chromium.

Prints a table and fails when a score is below 98 or a first load is heavier than 60 KB of compressed HTML, CSS and
JavaScript; the admin's first page, which is for few, needs 95 and has no such limit.
`.venv/bin/python -m benchmarks.pages landing studio` measures only those. The first run counts: the machine has to be
quiet.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import sync_playwright

from tests import ROOT
from tests.browser.chromium import launch_options
from tests.browser.furnish import furnish
from tests.browser.pages import BUDGET, MEASURED
from tests.environment import free_port, stop, wait_for_port
from tests.installation import Stack

FOLDER = ROOT / "benchmarks" / "lighthouse"
LIGHTHOUSE = FOLDER / "node_modules" / ".bin" / "lighthouse"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
ENOUGH, ENOUGH_OF_THE_ADMIN = 98, 95
SHIFT = 0.02


@dataclass
class Result:
    """One page's scores of 100, its compressed bytes and its layout shift."""

    scores: dict[str, int]
    weight: int
    shift: float
    report: dict[str, Any]
    enough: int

    @property
    def is_good(self) -> bool:
        judged = CATEGORIES if self.enough == ENOUGH else CATEGORIES[:3]  # no search engine sees the admin
        return (
            min(self.scores[one] for one in judged) >= self.enough
            and (self.weight <= BUDGET or self.enough < ENOUGH)
            and self.shift < SHIFT
        )


def main(names: list[str]) -> int:
    """Measure, print the table, and return the process's exit status."""
    views = [view for view in MEASURED if not names or view.name in names]
    with tempfile.TemporaryDirectory() as folder:
        upstream = free_port()
        sandbox = _sandbox(upstream, Path(folder) / "sandbox")
        stack = Stack(Path(folder) / "site", **_production(upstream))
        stack.environment["PUBLIC_URL"] = stack.url
        try:
            stack.start()
            furnished = furnish(stack, rounds=3)
            results = {}
            for view in views:
                cookies = furnished.cookies.get(view.who, {})
                enough = ENOUGH_OF_THE_ADMIN if view.path.startswith("/admin/") else ENOUGH
                results[view.name] = _measure(f"{stack.url}{furnished.path(view.path)}", cookies, Path(folder), enough)
                _print_row(view.name, results[view.name])
        finally:
            stack.stop()
            stop(sandbox)
    return 0 if all(result.is_good for result in results.values()) else 1


def _production(upstream: int) -> dict[str, str]:
    """A production run: the upstream is a stand-in, and so is Stripe."""
    return {
        "REVE_API_KEY": "measured-only",
        "REVE_API_URL": f"http://127.0.0.1:{upstream}",
        "UPSTREAM_TYPICAL_SECONDS": "0.2",
        "SECRET_KEY": "kQ8vZr3Tn5Yw1Xc7Bm9Lp2Hs6Jd4Fg0Aq-zEuIoKyTrWxVbNmPqRs",
        "EMAIL_URL": "folder://",
        "EMAIL_VERIFICATION": "none",
        "EXPLORE": "1",
        "STATUS_RATE_LIMIT_PER_MINUTE": "100000",
    }


def _sandbox(port: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SANDBOX_PORT": str(port), "SANDBOX_DIR": str(folder), "SANDBOX_SECONDS": "0.1"}
    command = [sys.executable, "-m", "sandbox"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    wait_for_port(port)
    return process


def _measure(url: str, cookies: dict[str, str], folder: Path, enough: int) -> Result:
    output, port = folder / "report.json", free_port()
    command = [
        str(LIGHTHOUSE),
        url,
        "--quiet",
        "--output=json",
        f"--output-path={output}",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--port={port}",
        "--disable-storage-reset",  # which would log the browser out
    ]
    if cookies or "/accounts/" in url:
        command.append("--skip-audits=is-crawlable")  # what is somebody's own is kept out of search engines
    chromium = launch_options()
    arguments = [*chromium.pop("args"), f"--remote-debugging-port={port}"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(profile, args=arguments, **chromium)
        # As somebody is logged in: what a page asks for by itself, such as its stream, is theirs too.
        site = urljoin(url, "/")  # of all its addresses
        browser.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
        subprocess.run(command, check=True, timeout=180, stdin=subprocess.DEVNULL)
        browser.close()
    report = json.loads(output.read_text())
    assert report["finalDisplayedUrl"].rstrip("/") == url.rstrip("/"), report["finalDisplayedUrl"]
    return Result(
        scores={name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES},
        weight=_weight(report),
        shift=report["audits"]["cumulative-layout-shift"]["numericValue"],
        report=report,
        enough=enough,
    )


def _weight(report: dict[str, Any]) -> int:
    items = report["audits"]["network-requests"]["details"]["items"]
    return sum(item["transferSize"] for item in items if item["resourceType"] in ("Document", "Stylesheet", "Script"))


def _print_row(name: str, result: Result) -> None:
    scores = "  ".join(f"{label} {result.scores[label]:3d}" for label in CATEGORIES)
    print(f"{name:<10} {scores}  {result.weight / 1000:5.1f} KB  shift {result.shift:.3f}", flush=True)
    for category in CATEGORIES if not result.is_good else ():
        for reference in result.report["categories"][category]["auditRefs"]:
            audit = result.report["audits"][reference["id"]]
            if audit["score"] is not None and audit["score"] < 0.9 and reference["weight"] > 0:
                print(f"    {category}: {audit['title']} {audit.get('displayValue', '')}")
                for item in (audit.get("details") or {}).get("items", [])[:3]:
                    print(
                        f"        {item.get('description') or item.get('url') or item.get('node', {}).get('snippet')}"
                    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
