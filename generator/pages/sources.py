"""Pictures that images are made from, as pages show them: the account's own images, and what it brought."""

from dataclasses import dataclass

from django.urls import reverse

from generator.files.images import THUMBNAIL_SIDES
from generator.models import Generation, Upload


@dataclass(frozen=True)
class Source:
    """A picture to make images from. `page` is "" for an upload; `full` is the whole file, `src` a small one."""

    id: str
    src: str
    full: str
    page: str
    width: int
    height: int
    words: str

    @property
    def told(self) -> dict[str, object]:
        """What the page's script learns of it."""
        return {"id": self.id, "src": self.src, "full": self.full, "width": self.width, "height": self.height}


def source_of(picture: Generation | Upload) -> Source:
    """Return a picture as its owner's pages show it."""
    width, height = picture.width or 1, picture.height or 1
    if isinstance(picture, Upload):
        url = reverse("upload", args=[picture.public_id])
        return Source(picture.public_id, url, url, "", width, height, "A picture you brought")
    url, page = picture.image_url(""), reverse("generation", args=[picture.public_id])
    small = f"{url.rpartition('.')[0]}_{THUMBNAIL_SIDES[0]}.webp"
    return Source(picture.public_id, small, url, page, width, height, picture.prompt[:160])
