"""The pictures of the landing page: the project's, or the operator's own as `python -m sandbox.landing` left them."""

import json
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

FOLDER = "img/landing"
CARD = f"{FOLDER}/card.jpg"  # what other sites show beside a link to this one


@dataclass(frozen=True)
class LandingPicture:
    """One picture: its prompt, and its size in CSS pixels; `wide` is the larger file's width in image pixels."""

    name: str
    prompt: str
    aspect_ratio: str
    width: int
    height: int
    wide: int
    colour: str

    @property
    def avif(self) -> str:
        return f"{FOLDER}/{self.name}.avif"

    @property
    def avif_wide(self) -> str:
        return f"{FOLDER}/{self.name}-2x.avif"

    @property
    def webp(self) -> str:
        return f"{FOLDER}/{self.name}.webp"


@lru_cache(maxsize=1)
def pictures() -> dict[str, LandingPicture]:
    """Return the landing page's pictures by name."""
    listed: dict[str, LandingPicture] = {}
    for directory in (settings.BASE_DIR / "static", settings.VAR_DIR / "own"):
        path = directory / FOLDER / "pictures.json"
        entries = json.loads(path.read_text("utf-8")) if path.exists() else []
        listed |= {entry["name"]: LandingPicture(**entry) for entry in entries}
    return listed
