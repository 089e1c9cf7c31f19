"""The generator's rows, by what they are about."""

from generator.models.generation import CANCELLED, PROMPT_REFUSED, Generation, GenerationQuerySet, KeyMonth
from generator.models.groups import Group, Input, Upload
from generator.models.shapes import ASPECT_RATIOS, PROMPT_MAX_LENGTH, REMIX_MOST_INPUTS, Operation
from generator.models.tokens import PUBLIC_ID, new_file_id, new_file_token, new_public_id
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
    "Price",
    "Route",
    "Upload",
    "Upstream",
    "UpstreamTrouble",
    "new_file_id",
    "new_file_token",
    "new_public_id",
]
