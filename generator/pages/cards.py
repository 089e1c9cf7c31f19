"""How generations look on a page."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from math import log

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from generator.ask.forms import STUDIO_KEY
from generator.files.images import THUMBNAIL_SIDES
from generator.library import family
from generator.models import ASPECT_RATIOS, Generation, Operation, Upload
from generator.pages.sources import Source, source_of

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

    @property
    def ratio(self) -> str:
        """The shape that it has, as near as ours come; an upstream may have drawn another than was asked for."""
        return min(ASPECT_RATIOS, key=lambda ratio: abs(log(_across(ratio) * self.height / self.width)))


@dataclass(frozen=True)
class Card:
    """A generation with what a template needs beside it.

    Times are in seconds. `elapsed` is how long it has been drawn; as long as it waits, since when it has waited.
    """

    generation: Generation
    picture: Picture | None
    elapsed: float
    typical: float
    fresh: bool = False
    before: Source | None = None  # what an edited image was before

    @property
    def is_drawing(self) -> bool:
        return self.generation.status == Generation.Status.DRAWING

    @property
    def share(self) -> float:
        """How much of the usual time has passed, 0 to 0.96: only an image ends the wait."""
        return round(min(self.elapsed / self.typical, 0.96), 2) if self.typical else 0.96

    @property
    def taken(self) -> float | None:
        """From asking to the end."""
        finished = self.generation.finished_at
        return (finished - self.generation.created_at).total_seconds() if finished else None


def card_of(
    generation: Generation, *, fresh: bool = False, before: Mapping[int, Generation | Upload] | None = None
) -> Card:
    """Return `generation` as a card; a `fresh` one has just changed before somebody's eyes.

    `before` is what `family.before_each` told of it and others.
    """
    source = before.get(generation.pk) if before else None
    completed = generation.status == Generation.Status.COMPLETED
    began = generation.created_at
    if generation.status == Generation.Status.DRAWING and generation.submitted_at:
        began = generation.submitted_at
    return Card(
        generation=generation,
        picture=picture_of(generation) if completed else None,
        elapsed=round((timezone.now() - began).total_seconds(), 1),
        typical=settings.UPSTREAM_TYPICAL_SECONDS,
        fresh=fresh,
        before=source_of(source) if source else None,
    )


def cards_of(generations: Iterable[Generation]) -> list[Card]:
    """Return `generations` as cards, each edited one with what it was before."""
    generations = list(generations)
    before = family.before_each(generations)
    return [card_of(one, before=before) for one in generations]


def picture_of(generation: Generation) -> Picture:
    """Return a completed generation's image with its thumbnails, at their permanent addresses: for its owner."""
    url = generation.image_url("")
    stem = url.rpartition(".")[0]
    return _picture(generation, url, lambda side: f"{stem}_{side}.webp")


def explore_picture_of(generation: Generation) -> Picture:
    """Return an image on Explore at addresses that end when it leaves Explore; the large one is its public page."""
    token = generation.share_token
    page = reverse("shared_image", args=[token])
    return _picture(generation, page, lambda side: reverse("explore_picture", args=[token, f"{side}.webp"]))


def shared_picture_of(generation: Generation) -> Picture:
    """Return a shared image for its public page, at addresses that end with the share."""
    token = generation.share_token
    url = reverse("shared_picture", args=[token, f"image.{generation.file_extension}"])
    return _large(_picture(generation, url, lambda side: reverse("shared_picture", args=[token, f"{side}.webp"])))


def large_picture_of(generation: Generation) -> Picture:
    """Return a completed generation's image for a page of its own: as large as the window lets it be."""
    return _large(picture_of(generation))


def _across(ratio: str) -> float:
    width, height = map(int, ratio.split(":"))
    return width / height


def _picture(generation: Generation, url: str, thumbnail: Callable[[int], str]) -> Picture:
    """Return the image at `url` as a tile; each of its thumbnails is told with its true width."""
    width, height = generation.width or 1, generation.height or 1
    widths = {side: max(1, round(width * min(1, side / max(width, height)))) for side in THUMBNAIL_SIDES}
    usual = round(ROW_HEIGHT * 1.2 * width / height)
    return Picture(
        url=url,
        src=thumbnail(THUMBNAIL_SIDES[0]),
        srcset=", ".join(f"{thumbnail(side)} {across}w" for side, across in widths.items()),
        sizes=f"(max-width: 640px) 92vw, {usual}px",
        width=width,
        height=height,
    )


def _large(tile: Picture) -> Picture:
    parts = tile.srcset.split(", ")
    thumbnails = [part for part in parts if not part.endswith(f" {tile.width}w")]
    ratio = round(tile.width / tile.height, 3)
    return replace(
        tile,
        src=parts[-1].partition(" ")[0],
        srcset=", ".join([*thumbnails, f"{tile.url} {tile.width}w"]),
        sizes=f"(max-width: 960px) 100vw, min(100vw - 440px, calc((100vh - 160px) * {ratio}))",
    )


@dataclass(frozen=True)
class Group:
    """What one press of Generate asked for: images that share all settings and stand together, the first one first."""

    key: str
    cards: list[Card]

    @property
    def first(self) -> Generation:
        return self.cards[0].generation

    @property
    def before(self) -> Source | None:
        """What its images were before, if they are edits."""
        return self.cards[0].before

    @property
    def is_made_anew(self) -> bool:
        """Whether it was made from words alone, so that the composer can ask for the same at once."""
        return self.first.operation == Operation.CREATE

    @property
    def is_press(self) -> bool:
        """Whether it was asked for in the studio."""
        return self.first.api_key_id is None

    @property
    def is_failed(self) -> bool:
        """Whether nothing came or will come of it."""
        return all(card.generation.status == Generation.Status.FAILED for card in self.cards)

    @property
    def at(self) -> str:
        """When it was, in seconds since 1970: groups stand in this order, newest first."""
        return f"{self.first.created_at.timestamp():.6f}"


def groups_of(generations: Iterable[Generation], *, fresh: bool = False) -> list[Group]:
    """Return `generations`, newest first, as the groups they were asked for in, newest first."""
    generations = list(generations)
    before = family.before_each(generations)
    together = groupby(generations, key=_group_key)
    return [
        Group(key, [card_of(one, fresh=fresh and one.is_final, before=before) for one in cards])
        for key, cards in together
    ]


def wall_html(generations: Iterable[Generation], *, fresh: bool = False) -> str:
    """Return `generations`, newest first, as the studio's wall shows them; it needs no request.

    A page that takes this in brings the token for its forms in a header.
    """
    return render_to_string("generator/wall.html", {"groups": groups_of(generations, fresh=fresh)})


def _group_key(generation: Generation) -> str:
    """Images of one press have its key; callers of the API may call theirs as they like."""
    key = generation.idempotency_key or ""
    is_press = generation.api_key_id is None and key.startswith(STUDIO_KEY)
    return key.removeprefix(STUDIO_KEY) if is_press else generation.public_id
