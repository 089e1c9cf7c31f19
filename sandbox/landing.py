"""`python -m sandbox.landing`: draw the pictures of the landing page anew, into a folder below VAR_DIR.

What to draw is in `static/img/landing/pictures.json`. The files there belong to the project, and changed in place they
would block the next pull: only `--to FOLDER` writes anywhere else. With `--site URL` a running installation draws them
over its API instead of the painter here, one credit each, with the key that the variable API_KEY holds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "static" / "img" / "landing"
OWN = Path("own", "img", "landing")  # below VAR_DIR; the site prefers what is there to its own static files
LIST = "pictures.json"
CARD = "card.jpg"
CARD_SIZE = (1200, 630)  # what sites that show a link's picture ask for
CARD_GAP = 8
WAIT_SECONDS = 180

Draw = Callable[[str, str], Image.Image]


def redraw(folder: Path, draw: Draw) -> None:
    """Draw every picture of the list into `folder`, and the card of the first three, by `draw(prompt, aspect_ratio)`.

    A list that `folder` has already says which prompts to draw instead of the project's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = _entries(FOLDER)
    prompts = {entry["name"]: entry["prompt"] for entry in _entries(folder)}
    drawn = []
    for entry in entries:
        entry["prompt"] = prompts.get(entry["name"], entry["prompt"])
        image = draw(entry["prompt"], entry["aspect_ratio"]).convert("RGB")
        drawn.append(image)
        entry.update(_save(folder, entry["name"], image, entry["width"]))
        print(entry["name"], flush=True)
    lines = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    (folder / LIST).write_text(f"[\n{lines}\n]\n", "utf-8")
    _card(drawn[:3]).save(folder / CARD, quality=80, optimize=True, progressive=True)


def _entries(folder: Path) -> list[dict[str, Any]]:
    """Return the list of pictures in `folder`, empty when it has none."""
    listed: list[dict[str, Any]] = json.loads((folder / LIST).read_text("utf-8")) if (folder / LIST).exists() else []
    return listed


def _save(folder: Path, name: str, image: Image.Image, width: int) -> dict[str, Any]:
    """Save AVIF at one and two pixels a point, and WebP for browsers without it; return what a page must know."""
    height = round(width * image.height / image.width)
    once = image.resize((width, height), Image.Resampling.LANCZOS)
    twice = image.resize((width * 2, height * 2), Image.Resampling.LANCZOS) if image.width >= width * 2 else image
    once.save(folder / f"{name}.avif", quality=64, speed=3)
    twice.save(folder / f"{name}-2x.avif", quality=56, speed=3)
    once.save(folder / f"{name}.webp", quality=80, method=6)
    colour = "#{:02x}{:02x}{:02x}".format(*image.resize((1, 1), Image.Resampling.BOX).tobytes())
    return {"height": height, "wide": twice.width, "colour": colour}


def _card(images: list[Image.Image]) -> Image.Image:
    """Hang three pictures side by side: a large one, and two above one another."""
    across, down = CARD_SIZE
    side, half = (across - CARD_GAP) // 3, (down - CARD_GAP) // 2
    large, upper, lower = images
    card = Image.new("RGB", CARD_SIZE, "#f9f7f4")
    card.paste(ImageOps.fit(large, (across - side - CARD_GAP, down)), (0, 0))
    card.paste(ImageOps.fit(upper, (side, half)), (across - side, 0))
    card.paste(ImageOps.fit(lower, (side, half), centering=(0.5, 0.8)), (across - side, half + CARD_GAP))
    return card


def _painter() -> Draw:
    from sandbox.painter import paint  # numpy takes a moment; `--help` need not wait for it

    return paint


def _drawn_by(site: str, key: str) -> Draw:
    def draw(prompt: str, aspect_ratio: str) -> Image.Image:
        body = json.dumps({"prompt": prompt, "aspect_ratio": aspect_ratio}).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{site}/v1/reve-image/generate", body, headers)  # noqa: S310 (the operator's own)
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310
            url = json.load(answer)["url"]
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:  # noqa: S310
            return Image.open(BytesIO(answer.read()))

    return draw


def main() -> int:
    """Draw them all; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.landing", description=__doc__)
    parser.add_argument("--site", metavar="URL", help="the installation that draws, e.g. https://images.example.com")
    own = Path(os.environ.get("VAR_DIR") or PROJECT / "var") / OWN
    parser.add_argument("--to", metavar="FOLDER", type=Path, default=own, help=f"where to write them: {own}")
    arguments = parser.parse_args()
    site = arguments.site
    key = os.environ.get("API_KEY", "")
    if site and not key:
        print("sandbox.landing: set API_KEY to a key of that installation", file=sys.stderr)
        return 2
    redraw(arguments.to, _drawn_by(site.rstrip("/"), key) if site else _painter())
    print(f"They are in {arguments.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
