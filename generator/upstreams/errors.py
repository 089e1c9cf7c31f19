"""What can go wrong with an upstream: one tree for all dialects, and the contract that routing reads.

UpstreamError
├─ NotAccepted            the upstream certainly does not have the job: sending it again, or elsewhere, is safe
│  └─ Busy                … because it asked us to wait (429, 503)
├─ Unclear                no usable answer (timeout, 5xx, broken JSON, another job's): it may have accepted the job
├─ PromptRefused          it will never draw this prompt, nor would another; the message is for people
├─ BadInput               it takes no such value or picture: what was asked for is at fault, not the prompt
├─ OperatorTrouble        401, 402, 403: our own key or credit there; `kind` tells which. The job was not accepted
└─ Gone                   404: it does not know what we ask about

Apart from it is NotBegun: the process ends, and no upstream has anything to do with it.

Each dialect maps its own words onto it, and nothing else reads those. Messages hold only what `words` lets through.
"""

from generator.models import UpstreamTrouble

Kind = UpstreamTrouble.Kind


class UpstreamError(Exception):
    """Root of what can go wrong with the upstream (the module draws the tree).

    `status` is the HTTP status of the answer, None where there was none or it was no error by its status.
    """

    status: int | None = None

    @property
    def words(self) -> str:
        """What may be told of the answer, beside its status."""
        return str(self).removeprefix(f"{self.status}: ")


class NotAccepted(UpstreamError):
    """The upstream certainly does not have the job."""


class Busy(NotAccepted):
    """The upstream asked us to wait `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unclear(UpstreamError):
    """No usable answer: the upstream may or may not have done what we asked."""


class NotBegun(Exception):
    """This process ends, and nothing of the job was sent: no upstream has anything to do with it."""


class PromptRefused(UpstreamError):
    """The upstream will not draw this prompt; the message says why, "" where it gave no reason for people."""


class BadInput(UpstreamError):
    """The upstream takes no such value, or no such picture; the message says which, as far as people may read it."""


class OperatorTrouble(UpstreamError):
    """The upstream refuses our key or asks us to pay: only the operator can fix it. The job was not accepted."""

    def __init__(self, message: str, kind: Kind = Kind.KEY_REFUSED) -> None:
        super().__init__(message)
        self.kind = kind


class Gone(UpstreamError):
    """The upstream does not know what we ask about."""
