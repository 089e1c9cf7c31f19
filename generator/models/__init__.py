"""The generator's rows, by what they are about."""

from generator.models.generation import CANCELLED, PROMPT_REFUSED, Generation, GenerationQuerySet, KeyMonth
from generator.models.groups import Group, Input, Upload
from generator.models.shapes import ASPECT_RATIOS, PROMPT_MAX_LENGTH, REMIX_MOST_INPUTS, Operation, Picture
from generator.models.tokens import FILE_ID, PUBLIC_ID, new_file_id, new_file_token, new_public_id
from generator.models.upstreams import (
    DEFAULT_MODEL,
    DEFAULT_UPSTREAM,
    Attempt,
    ImageModel,
    Price,
    Route,
    Upstream,
    UpstreamTrouble,
)

__all__ = [
    "ASPECT_RATIOS",
    "CANCELLED",
    "DEFAULT_MODEL",
    "DEFAULT_UPSTREAM",
    "FILE_ID",
    "PROMPT_MAX_LENGTH",
    "PROMPT_REFUSED",
    "PUBLIC_ID",
    "REMIX_MOST_INPUTS",
    "Attempt",
    "Generation",
    "GenerationQuerySet",
    "Group",
    "ImageModel",
    "Input",
    "KeyMonth",
    "Operation",
    "Picture",
    "Price",
    "Route",
    "Upload",
    "Upstream",
    "UpstreamTrouble",
    "new_file_id",
    "new_file_token",
    "new_public_id",
]
