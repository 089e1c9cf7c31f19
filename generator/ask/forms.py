"""What the studio's form takes."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from generator.ask.admission import ImageRequest
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH
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
    """What the studio's composer asks for. `nonce` is new on each page, so that a form sent twice is charged once."""

    use_required_attribute = False

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

    @property
    def wanted(self) -> ImageRequest:
        """What a valid form asks for."""
        return ImageRequest(
            prompt=self.cleaned_data["prompt"],
            negative_prompt=self.cleaned_data["negative_prompt"],
            aspect_ratio=self.cleaned_data["aspect_ratio"],
            wait=False,
            count=self.cleaned_data["count"] or COUNTS[0],
        )

    @property
    def idempotency_key(self) -> str:
        """The key under which a valid form is admitted once, however often it arrives."""
        return f"{STUDIO_KEY}{self.cleaned_data['nonce']}"
