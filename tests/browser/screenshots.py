"""`make screenshots`: every page on a desktop and a phone, light and dark, into docs/images/pages/ (not committed).

`make screenshots PAGES=studio` takes one page, or several, in seconds: its people and their images are kept in
var/screenshots/ from one time to the next, until what fills or migrates an installation has changed.

Those that README and the docs show are written beside that folder as small WebP files when all pages are taken.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests import ROOT
from tests.browser.chromium import launch_options
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.furnish import EMAILS, Furnished, furnish, log_in
from tests.browser.pages import ALL, View
from tests.installation import Stack

IMAGES = ROOT / "docs" / "images"
KEPT = ROOT / "var" / "screenshots"
MADE_BY = ("tests/browser/furnish.py", "tests/browser/stock.py", "*/migrations/*.py")
# (page, theme) → the file that README shows
SHOWN = {
    ("gallery", "light"): "gallery",
    ("gallery", "dark"): "gallery-dark",
    ("studio", "light"): "studio",
    ("dashboard", "light"): "dashboard",
    ("landing", "dark"): "landing-dark",
    ("docs-generate", "dark"): "docs-dark",
}
SIZES: dict[str, dict[str, Any]] = {"desktop": DESKTOP, "phone": PHONE}
SETTLE = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  for (const image of document.images) Object.assign(image, { loading: "eager", decoding: "sync" });
  await frame(); // an image that is asked for at once may choose another of its sizes
  await frame();
  const loaded = (image) => image.complete || new Promise((done) => (image.onload = image.onerror = done));
  await Promise.all([...document.images].map(loaded));
  for (const one of document.getAnimations())
    if (Number.isFinite(one.effect.getComputedTiming().endTime)) one.finish();
  await frame();
}"""


def main(names: list[str]) -> int:
    """Take the pictures of all pages, or only of those named, and return the process's exit status."""
    known = {view.name: view for view in ALL}
    if unknown := [name for name in names if name not in known]:
        print(f"No page is called {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    views = [known[name] for name in names] or ALL
    many = 10_000 if any(view.who == "many" for view in views) else 0
    with ExitStack() as leaving:
        if names:
            stack, furnished = _kept(leaving, many)
        else:
            folder = leaving.enter_context(tempfile.TemporaryDirectory())
            stack = _start(leaving, Path(folder) / "site")
            furnished = furnish(stack, rounds=2, many=many)
        playwright = leaving.enter_context(sync_playwright())
        browser = playwright.chromium.launch(**launch_options())
        taken = [path for size in SIZES for path in _take_all(browser, stack, furnished, views, size)]
        if not names:
            _show(taken)
    for path in taken if names else [IMAGES / "pages"]:
        print(path.relative_to(ROOT))
    return 0


def _start(leaving: ExitStack, folder: Path) -> Stack:
    stack = Stack(folder, SANDBOX_SECONDS="0.2", EXPLORE="1", STATUS_RATE_LIMIT_PER_MINUTE="100000")
    leaving.callback(stack.stop)
    stack.start()
    return stack


def _kept(leaving: ExitStack, many: int) -> tuple[Stack, Furnished]:
    """Start the installation that was furnished before, or furnish one to keep."""
    sources = sorted(path for pattern in MADE_BY for path in ROOT.glob(pattern))
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    notes = KEPT / "furnished.json"
    note = json.loads(notes.read_text()) if notes.is_file() else {}
    if note.get("made_by") == made_by and note["many"] >= many:
        stack = _start(leaving, KEPT / "site")
        people = {who: email for who, email in EMAILS.items() if who != "many" or note["many"]}
        cookies = {who: log_in(stack.url, email) for who, email in people.items()}
        return stack, Furnished(cookies, note["places"])
    shutil.rmtree(KEPT, ignore_errors=True)
    stack = _start(leaving, KEPT / "site")
    furnished = furnish(stack, many=many)
    notes.write_text(json.dumps({"made_by": made_by, "many": many, "places": furnished.places}))
    return stack, furnished


def _take_all(browser: Browser, stack: Stack, furnished: Furnished, views: list[View], size: str) -> list[Path]:
    context = browser.new_context(**SIZES[size], base_url=stack.url)
    taken = []
    for view in views:
        cookies = furnished.cookies.get(view.who, {})
        context.clear_cookies()
        context.add_cookies([{"name": name, "value": value, "url": stack.url} for name, value in cookies.items()])
        page = context.new_page()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.goto(furnished.path(view.path))  # anew: the admin asks for the theme when it loads
            taken.append(_take(page, view, size, theme))
        page.close()
    context.close()
    return taken


def _take(page: Page, view: View, size: str, theme: Any) -> Path:
    target = IMAGES / "pages" / f"{view.name}-{size}-{theme}.png"
    page.evaluate(SETTLE)
    # A gallery goes on for ever; everything else is shown whole.
    page.screenshot(path=target, full_page=not view.path.startswith("/gallery/?") and view.path != "/gallery/")
    return target


def _show(taken: list[Path]) -> None:
    """Keep those that README and the docs show, the first screenful of them and small."""
    files = {path.stem: path for path in taken}
    for (name, theme), shown in SHOWN.items():
        with Image.open(files[f"{name}-desktop-{theme}"]) as picture:
            cut = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, 860)))
            cut.save(IMAGES / f"{shown}.webp", quality=78, method=6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
