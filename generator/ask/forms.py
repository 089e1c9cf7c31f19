"""What the studio's form takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from generator.ask import prices
from generator.ask.admission import ImageRequest
from generator.ask.inputs import Brought, Given, Named, nearest_ratio
from generator.errors import NotOffered, PictureRefused
from generator.models import (
    ASPECT_RATIOS,
    FILE_ID,
    PROMPT_MAX_LENGTH,
    PUBLIC_ID,
    REMIX_MOST_INPUTS,
    Generation,
    Operation,
    Upload,
)
from kit.text import is_blank

COUNTS = (1, 2, 3, 4)  # images of one press
STUDIO_KEY = "studio:"  # how the idempotency keys of the studio's form begin


@dataclass(frozen=True)
class Shape:
    """An aspect ratio and its outline in a box of 20 by 20."""

    ratio: str
    width: float
    height: float

    @property
    def x(self) -> float:
        return (20 - self.width) / 2

    @property
    def y(self) -> float:
        return (20 - self.height) / 2


def _shape(ratio: str) -> Shape:
    across, down = (int(part) for part in ratio.split(":"))
    scale = 18 / max(across, down)
    return Shape(ratio, round(across * scale, 1), round(down * scale, 1))


def _width_to_height(ratio: str) -> float:
    across, down = (int(part) for part in ratio.split(":"))
    return across / down


# From the widest to the tallest, so that the row of chips reads as one movement.
SHAPES = tuple(_shape(ratio) for ratio in sorted(ASPECT_RATIOS, key=_width_to_height, reverse=True))


def _short_enough(text: str) -> None:
    if len(text) > PROMPT_MAX_LENGTH:
        raise ValidationError(f"Shorten this to {PROMPT_MAX_LENGTH:,} characters. It has {len(text):,} now.")


class TextField(forms.CharField):
    """Free text for the model. A browser sends a line break as two characters; it counts as one."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("error_messages", {}).update(
            null_characters_not_allowed="Remove the invisible NUL character from this text."
        )
        super().__init__(validators=[_short_enough], **kwargs)

    def to_python(self, value: Any) -> str:
        if isinstance(value, str):
            value = value.replace("\r\n", "\n")
        text = str(super().to_python(value) or "")
        return "" if is_blank(text) else text


class GenerateForm(forms.Form):
    """What the studio's composer asks for. `nonce` is new on each page, so that a form sent twice is charged once.

    Pictures come by their ids as `input` and `mask`, or as files: `file` and `mask_file`.
    """

    use_required_attribute = False
    pictures: Sequence[Generation | Upload] | None = None  # what was given, once it is known to be there

    nonce = forms.UUIDField(
        error_messages={
            "required": "This page was out of date. Press Generate again.",
            "invalid": "This page was out of date. Press Generate again.",
        }
    )
    prompt = TextField(error_messages={"required": "Describe the image you want first."})
    negative_prompt = TextField(required=False)
    aspect_ratio = forms.ChoiceField(
        choices=[(ratio, ratio) for ratio in ASPECT_RATIOS],
        initial=ASPECT_RATIOS[0],
        error_messages={
            "required": "Choose one of the seven shapes.",
            "invalid_choice": "Choose one of the seven shapes.",
        },
    )
    count = forms.TypedChoiceField(
        choices=[(str(count), str(count)) for count in COUNTS],
        coerce=int,
        empty_value="",
        required=False,
        initial=str(COUNTS[0]),
        error_messages={"invalid_choice": f"Choose {COUNTS[0]} to {COUNTS[-1]} images."},
    )
    mode = forms.ChoiceField(
        choices=Operation.choices,
        required=False,
        initial=Operation.CREATE.value,
        error_messages={"invalid_choice": "Choose Create, Edit or Remix."},
    )
    model = forms.CharField(required=False)
    size = forms.CharField(required=False)
    quality = forms.CharField(required=False)

    @property
    def operation(self) -> Operation:
        """What a valid form asks to be done."""
        return Operation(self.cleaned_data["mode"] or Operation.CREATE)

    @property
    def given(self) -> list[tuple[str, Given]]:
        """The pictures that a valid form names or brings, each with what it is called. Raises PictureRefused.

        A file that is chosen for an edit takes the place of the picture that was there.
        """
        if self.operation == Operation.CREATE:
            return []
        pictures: list[Given] = [_named(id) for id in listed(self.data, "input")]
        pictures += [Brought(file) for file in listed(self.files, "file")]
        if not pictures:
            raise PictureRefused("picture", "add one first")
        if self.operation == Operation.REMIX:
            if len(pictures) > REMIX_MOST_INPUTS:
                raise PictureRefused("pictures", f"choose {REMIX_MOST_INPUTS} at most")
            return [(f"picture {number}", one) for number, one in enumerate(pictures, start=1)]
        masks: list[Given] = [_named(id) for id in listed(self.data, "mask")]
        masks += [Brought(file) for file in listed(self.files, "mask_file")]
        return [("picture", pictures[-1]), *(("mask", mask) for mask in masks[-1:])]

    def wanted(self, pictures: Sequence[Generation | Upload]) -> ImageRequest:
        """Return what a valid form asks for, with the rows of what is `given`. Raises PictureRefused, NotOffered."""
        data, operation = self.cleaned_data, self.operation
        model = None
        if data["model"] and (model := prices.model_called(data["model"])) is None:
            raise NotOffered("model", "it is not offered any more")
        ratio, inputs, mask = data["aspect_ratio"], tuple(pictures), None
        if operation == Operation.EDIT:
            first, mask = pictures[0], _mask(pictures)
            inputs = (first,)
            ratio = nearest_ratio(first.width or 1, first.height or 1, prices.ratios_of(model, operation))
        return ImageRequest(
            prompt=data["prompt"],
            negative_prompt=data["negative_prompt"],
            aspect_ratio=ratio,
            wait=False,
            count=data["count"] or COUNTS[0],
            operation=operation,
            model=model,
            size=data["size"],
            quality=data["quality"],
            inputs=inputs,
            mask=mask,
        )

    @property
    def idempotency_key(self) -> str:
        """The key under which a valid form is admitted once, however often it arrives."""
        return f"{STUDIO_KEY}{self.cleaned_data['nonce']}"


def listed(given: Any, name: str) -> list[Any]:
    """Return all that a form, or a draft of one, has under a name: ids in a draft are one text."""
    values = given.getlist(name) if hasattr(given, "getlist") else str(given.get(name) or "").split()
    return [value for value in values if value]


def _named(id: str) -> Named:
    if not (PUBLIC_ID.fullmatch(id) or FILE_ID.fullmatch(id)):
        raise PictureRefused("picture", "add it once more")
    return Named(id)


def _mask(pictures: Sequence[Generation | Upload]) -> Upload | None:
    if len(pictures) == 1:
        return None
    first, mask = pictures
    if not isinstance(mask, Upload):
        raise PictureRefused("mask", "it must be a file of its own")
    if (mask.width, mask.height) != (first.width, first.height):
        raise PictureRefused("mask", f"it must be as large as the picture, {first.width} × {first.height} pixels")
    return mask
