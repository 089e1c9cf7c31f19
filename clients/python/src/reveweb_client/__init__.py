"""Draw images with the API of a reveweb site: `Reveweb("https://…", "rv_…").generate("a fox").save("fox.png")`."""

from reveweb_client.client import Image, Reveweb
from reveweb_client.errors import (
    ApiError,
    ConnectionFailed,
    ImageFailed,
    InsufficientCredits,
    InvalidRequest,
    NotAllowed,
    NotFound,
    PromptRefused,
    RateLimited,
    RevewebError,
    TookTooLong,
    Unavailable,
    WrongKey,
)

__all__ = [
    "ApiError",
    "ConnectionFailed",
    "Image",
    "ImageFailed",
    "InsufficientCredits",
    "InvalidRequest",
    "NotAllowed",
    "NotFound",
    "PromptRefused",
    "RateLimited",
    "Reveweb",
    "RevewebError",
    "TookTooLong",
    "Unavailable",
    "WrongKey",
]
