"""What befalls each prompt at the evil upstream: drawn from the seed and the prompt, so a restart changes nothing."""

import hashlib
import io
import random
from dataclasses import dataclass

from PIL import Image

SUBMIT = {
    "good": 110,
    "at_once": 4,  # 200 with the image instead of 202
    "late": 4,  # answers after seconds, in time
    "busy_once": 6,  # 429, Retry-After
    "away_once": 4,  # 503, Retry-After
    "refused": 3,
    "error": 3,  # 500, and nothing was taken
    "error_taken": 3,  # 500, though it was taken
    "silent": 2,
    "silent_taken": 2,
    "taken_late": 2,  # long after the caller gave up
    "page": 2,  # HTML
    "drip": 2,  # a byte now and then
    "torn": 2,  # the connection ends in the middle of the answer
    "others_id": 4,  # the id of another prompt's job
    "odd_id": 3,  # no string, or one that no database keeps
    "huge": 2,
}
LOOK = {
    "good": 120,
    "fails": 5,  # with words that nobody may read
    "lies": 7,  # speaks about another job for a while
    "odd_url": 3,
    "unknown_once": 3,
    "unknown": 2,
    "error_once": 4,
    "page_once": 3,
    "huge_once": 2,
    "silent_once": 2,
    "drip_once": 2,
    "busy_once": 4,
    "never": 2,
}
IMAGE = {
    "png": 110,
    "jpeg": 6,
    "webp": 6,
    "mislabelled": 3,  # a PNG that calls itself a JPEG
    "busy_twice": 4,
    "away_once": 4,
    "missing": 2,
    "page": 2,
    "gif": 2,
    "cut_short": 3,
    "huge": 2,
    "drip": 2,
    "torn_once": 2,
}


@dataclass(frozen=True)
class Fate:
    """One prompt's: how its sending, its looks and its image go, and how many seconds drawing takes."""

    submit: str
    look: str
    image: str
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether a patient caller certainly gets the image."""
        return self.submit in GOOD_SUBMITS and self.look in GOOD_LOOKS and self.image in GOOD_IMAGES


GOOD_SUBMITS = {"good", "at_once", "late", "busy_once", "away_once"}
GOOD_LOOKS = {"good", "error_once", "page_once", "busy_once"}
GOOD_IMAGES = {"png", "jpeg", "webp", "mislabelled", "busy_twice", "away_once"}


def fate_of(seed: int, prompt: str) -> Fate:
    """Draw what befalls `prompt`."""
    dice = random.Random(f"{seed}:{prompt}")

    def draw(table: dict[str, int]) -> str:
        return dice.choices(list(table), list(table.values()))[0]

    return Fate(draw(SUBMIT), draw(LOOK), draw(IMAGE), round(dice.uniform(0.1, 1.5), 2))


def colour_of(prompt: str) -> tuple[int, int, int]:
    """Return the colour that the picture of `prompt` has all over, by which another's picture is known."""
    digest = hashlib.sha256(prompt.encode()).digest()
    return digest[0], digest[1], digest[2]


def picture(prompt: str, format: str = "PNG") -> bytes:
    """Draw `prompt`."""
    buffer = io.BytesIO()
    Image.new("RGB", (256, 256), colour_of(prompt)).save(buffer, format, quality=95)
    return buffer.getvalue()


def is_picture_of(image: Image.Image, prompt: str) -> bool:
    """Tell whether `image` is what `picture` draws for `prompt`, give or take what JPEG and WebP lose."""
    seen = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return all(abs(one - other) <= 12 for one, other in zip(seen, colour_of(prompt), strict=True))
