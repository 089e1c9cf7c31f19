"""What can go wrong.

RevewebError
├─ ConnectionFailed        no answer came, however often it was tried
├─ TookTooLong             the image was not finished in time; carries its id, by which it is found later
├─ ImageFailed             there will be no image; its credits were returned
│  └─ PromptRefused        … and the same prompt will be refused again
└─ ApiError                the API refused; carries its code, message and the field at fault; nothing was charged
   ├─ WrongKey             401
   ├─ InsufficientCredits  402
   ├─ NotAllowed           403
   ├─ NotFound             404
   ├─ RateLimited          429
   ├─ InvalidRequest       any other 4xx
   └─ Unavailable          5xx
"""

from typing import Any


class RevewebError(Exception):
    """Root of this package's errors (the module draws the tree)."""


class ConnectionFailed(RevewebError):
    """No answer of the API came; `idempotency_key` finds the image, if one was begun, when it is sent again."""

    def __init__(self, message: str, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class TookTooLong(RevewebError):
    """The image `id` is not finished yet; `Reveweb.status` and `Reveweb.wait` go on with it."""

    def __init__(self, id: str) -> None:
        super().__init__(f"{id} is not finished yet")
        self.id = id


class ImageFailed(RevewebError):
    """There will be no image of this `id`; its credits were returned."""

    def __init__(self, id: str, code: str, message: str) -> None:
        super().__init__(message)
        self.id = id
        self.code = code


class PromptRefused(ImageFailed):
    """The prompt was refused, and will be again."""


class ApiError(RevewebError):
    """The API refused a request.

    `code` is for programs, `param` names the field at fault, `retry_after` is in seconds, `request_id` is for support.
    """

    def __init__(self, status: int, body: dict[str, Any], *, retry_after: float | None, request_id: str | None) -> None:
        error = body.get("error")
        told: dict[str, Any] = error if isinstance(error, dict) else {}
        self.status = status
        self.code = str(told.get("code", "unknown"))
        self.message = str(told.get("message", f"The API answered with {status}."))
        self.param: str | None = told.get("param")
        self.image_id: str | None = told.get("image_id")
        self.retry_after = retry_after
        self.request_id = request_id
        super().__init__(f"{self.code}: {self.message}")


class WrongKey(ApiError):
    """There is no key, or it does not work."""


class InsufficientCredits(ApiError):
    """The account's credits, or what the key may spend of them, do not cover it."""


class NotAllowed(ApiError):
    """The key may not do this."""


class NotFound(ApiError):
    """There is no such thing in the account."""


class RateLimited(ApiError):
    """There were too many requests, for longer than was to be waited."""


class InvalidRequest(ApiError):
    """Something about the request is not as it should be."""


class Unavailable(ApiError):
    """The site could not do it, however often it was tried."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: WrongKey,
    402: InsufficientCredits,
    403: NotAllowed,
    404: NotFound,
    429: RateLimited,
}


def of_status(status: int) -> type[ApiError]:
    """Return what an answer with this status, from 400 on, is raised as."""
    return _BY_STATUS.get(status, InvalidRequest if status < 500 else Unavailable)
