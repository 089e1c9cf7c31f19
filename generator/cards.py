"""How one generation looks on a page."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from generator.images import THUMBNAIL_SIDES
from generator.models import Generation

ROW_HEIGHT = 240  # CSS pixels of a row of tiles, as static/css/tiles.css has it


@dataclass(frozen=True)
class Picture:
    """A finished image as an `<img>` wants it."""

    url: str
    src: str
    srcset: str
    sizes: str
    width: int
    height: int


@dataclass(frozen=True)
class Card:
    """A generation with what a template needs beside it. Times are in seconds."""

    generation: Generation
    picture: Picture | None
    elapsed: float
    typical: float
    fresh: bool = False

    @property
    def share(self) -> float:
        """How much of the usual time has passed, 0 to 0.96: only an image ends the wait."""
        return round(min(self.elapsed / self.typical, 0.96), 2) if self.typical else 0.96

    @property
    def taken(self) -> float | None:
        """From asking to the end."""
        finished = self.generation.finished_at
        return (finished - self.generation.created_at).total_seconds() if finished else None


def card_of(generation: Generation, *, fresh: bool = False) -> Card:
    """Return `generation` as a card; a `fresh` one has just changed before somebody's eyes."""
    completed = generation.status == Generation.Status.COMPLETED
    return Card(
        generation=generation,
        picture=picture_of(generation) if completed else None,
        elapsed=round((timezone.now() - generation.created_at).total_seconds(), 1),
        typical=settings.UPSTREAM_TYPICAL_SECONDS,
        fresh=fresh,
    )


def picture_of(generation: Generation) -> Picture:
    """Return a completed generation's image with its thumbnails, each with its true width."""
    width, height = generation.width or 1, generation.height or 1
    url = generation.image_url("")
    stem = url.rpartition(".")[0]
    widths = {side: max(1, round(width * min(1, side / max(width, height)))) for side in THUMBNAIL_SIDES}
    usual = round(ROW_HEIGHT * 1.2 * width / height)
    return Picture(
        url=url,
        src=f"{stem}_{THUMBNAIL_SIDES[0]}.webp",
        srcset=", ".join(f"{stem}_{side}.webp {across}w" for side, across in widths.items()),
        sizes=f"(max-width: 640px) 92vw, {usual}px",
        width=width,
        height=height,
    )


def card_html(generation: Generation, *, fresh: bool = False) -> str:
    """Return the studio's card of `generation` as an HTML fragment; it needs no request."""
    return render_to_string("generator/card.html", card_context(generation, fresh=fresh))


def card_context(generation: Generation, *, fresh: bool = False) -> dict[str, Any]:
    """What `generator/card.html` needs."""
    return {"card": card_of(generation, fresh=fresh)}
