"""What can be asked for, as words that rows, the API and the dialects share."""

from dataclasses import dataclass, field

from django.db import models

ASPECT_RATIOS = ("1:1", "16:9", "4:3", "3:4", "9:16", "2:3", "3:2")
PROMPT_MAX_LENGTH = 4000
REMIX_MOST_INPUTS = 6


class Operation(models.TextChoices):
    """What is done: words to an image, one image and an instruction, or several images and words."""

    CREATE = "create", "Create"
    EDIT = "edit", "Edit"
    REMIX = "remix", "Remix"


@dataclass(frozen=True)
class Picture:
    """An input: the bytes of a verified, upright PNG, JPEG or WebP, and their type, such as `image/png`."""

    data: bytes = field(repr=False)
    media_type: str

    @property
    def extension(self) -> str:
        """How a file of this type is called."""
        return {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}[self.media_type]
