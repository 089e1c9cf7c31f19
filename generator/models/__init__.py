"""The generator's rows, by what they are about."""

from generator.models.calls import ApiCall
from generator.models.generation import CANCELLED, PROMPT_REFUSED, Generation, GenerationQuerySet, KeyMonth
from generator.models.groups import Group, Input, TokenUpload, Upload
from generator.models.moderation import PromptRule, Report
from generator.models.pauses import Pause
from generator.models.shapes import ASPECT_RATIOS, PROMPT_MAX_LENGTH, REMIX_MOST_INPUTS, Operation, Picture
from generator.models.tokens import (
    ENDPOINT_ID,
    FILE_ID,
    MESSAGE_ID,
    PUBLIC_ID,
    new_file_id,
    new_file_token,
    new_public_id,
)
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
from generator.models.webhooks import Signing, WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookSigner

__all__ = [
    "ASPECT_RATIOS",
    "CANCELLED",
    "DEFAULT_MODEL",
    "DEFAULT_UPSTREAM",
    "ENDPOINT_ID",
    "FILE_ID",
    "MESSAGE_ID",
    "PROMPT_MAX_LENGTH",
    "PROMPT_REFUSED",
    "PUBLIC_ID",
    "REMIX_MOST_INPUTS",
    "ApiCall",
    "Attempt",
    "Generation",
    "GenerationQuerySet",
    "Group",
    "ImageModel",
    "Input",
    "KeyMonth",
    "Operation",
    "Pause",
    "Picture",
    "Price",
    "PromptRule",
    "Report",
    "Route",
    "Signing",
    "TokenUpload",
    "Upload",
    "Upstream",
    "UpstreamTrouble",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookSigner",
    "new_file_id",
    "new_file_token",
    "new_public_id",
]
