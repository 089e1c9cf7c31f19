"""`make screenshots`: every page on a desktop and a phone, light and dark, into docs/images/pages/ (not committed).

Those that README and the docs show are written beside that folder as small WebP files. Where Inter
is installed it stands in for the system font of a desktop, which a bare machine lacks.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.browser.chromium import launch_options
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.furnish import Furnished, furnish
from tests.browser.pages import ALL, View
from tests.environment import ROOT
from tests.stack.conftest import Stack

IMAGES = ROOT / "docs" / "images"
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
FONT = ":root { --sans: Inter, system-ui, sans-serif }"
LOAD_ALL = "for (const image of document.images) Object.assign(image, { loading: 'eager', decoding: 'sync' })"
ALL_LOADED = "[...document.images].every((image) => image.complete)"


def main(names: list[str]) -> None:
    """Take the pictures of all pages, or only of those named."""
    views = [view for view in ALL if not names or view.name in names]
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "site", SANDBOX_SECONDS="0.2", EXPLORE="1", STATUS_RATE_LIMIT_PER_MINUTE="100000")
        stack.start()
        try:
            furnished = furnish(stack, rounds=2, many=10_000 if any(view.who == "many" for view in views) else 0)
            _take_all(stack, furnished, views)
        finally:
            stack.stop()
    print(f"{len(views)} pages in {IMAGES / 'pages'}")


def _take_all(stack: Stack, furnished: Furnished, views: list[View]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        for size, options in SIZES.items():
            for theme in ("light", "dark"):
                context = browser.new_context(**options, base_url=stack.url, color_scheme=theme, bypass_csp=True)
                for view in views:
                    _enter(context, stack, furnished.cookies.get(view.who, {}))
                    page = context.new_page()
                    _take(page, furnished.path(view.path), f"{view.name}-{size}-{theme}", _keeper(view, size, theme))
                    page.close()
                context.close()
        browser.close()


def _enter(context: BrowserContext, stack: Stack, cookies: dict[str, str]) -> None:
    context.clear_cookies()
    context.add_cookies([{"name": name, "value": value, "url": stack.url} for name, value in cookies.items()])


def _keeper(view: View, size: str, theme: str) -> Callable[[Path], None]:
    """Return what is done with a taken picture: those that are shown somewhere are kept small."""
    shown = SHOWN.get((view.name, theme)) if size == "desktop" else None

    def keep(path: Path) -> None:
        if shown:
            with Image.open(path) as picture:
                cut = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, 860)))
                cut.save(IMAGES / f"{shown}.webp", quality=78, method=6)

    return keep


def _take(page: Page, path: str, name: str, keep: Callable[[Path], None]) -> None:
    target = IMAGES / "pages" / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    page.goto(path)
    page.add_style_tag(content=FONT)
    page.evaluate(LOAD_ALL)
    page.wait_for_timeout(200)  # an image that is asked for at once may choose another of its sizes
    page.wait_for_function(ALL_LOADED)
    page.wait_for_timeout(400)  # what fades in has done so
    # A gallery goes on for ever; everything else is shown whole.
    page.screenshot(path=target, full_page=not path.startswith("/gallery/?") and path != "/gallery/")
    keep(target)


if __name__ == "__main__":
    main(sys.argv[1:])
