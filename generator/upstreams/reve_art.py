"""The dialect of the documented Reve Art API, and of another reveweb, which can edit and remix as well."""

from typing import Any

from generator.models import Operation
from generator.upstreams import asking, pictures, words
from generator.upstreams.dialect import Capabilities, Cost, Dialect, Job, Order
from generator.upstreams.errors import (
    BadInput,
    Gone,
    Kind,
    NotAccepted,
    OperatorTrouble,
    PromptRefused,
    Unclear,
    UpstreamError,
)
from generator.upstreams.transport import ID_MAX_LENGTH, URL_MAX_LENGTH, Access, Transport, identifier, quoted
from kit.threads import Pool, in_thread

# The document knows `pending` and `completed`; the other words are those that APIs of this kind use. Any word that is
# in neither list means that the upstream is still at it.
COMPLETED_WORDS = frozenset({"completed", "complete", "succeeded", "success", "done", "finished"})
FAILED_WORDS = frozenset({"failed", "failure", "error", "errored", "cancelled", "canceled", "rejected", "expired"})
_ENDPOINTS = {Operation.CREATE: "generate", Operation.EDIT: "edit", Operation.REMIX: "remix"}


class ReveArt(Dialect):
    """`POST /v1/reve-image/generate`, `/edit` or `/remix`, and `GET /v1/reve-image/status/{id}`; always asynchronous.

    The document knows the first and the last alone, no seed, and no way to cancel. A seed goes to another reveweb, for
    only a model that the operator says has one is ever asked with it.
    """

    can = Capabilities(operations=frozenset(Operation), takes_mask=True, takes_seed=True)

    def __init__(self, access: Access) -> None:
        self.http = Transport(access, meaning=self._meaning)

    async def submit(self, order: Order) -> Job:
        endpoint = _ENDPOINTS[order.operation]
        body = await in_thread(lambda: _body(order), Pool.PROCESSOR) if order.inputs else _body(order)
        try:
            return self._job(await self.http.submit(f"/v1/reve-image/{endpoint}", json=body))
        except Gone as error:
            raise asking.not_there(error, f"{endpoint} endpoint") from None
        except PromptRefused as refused:
            # With pictures there is more than the prompt that may not be taken.
            if order.operation is Operation.CREATE or str(refused) == words.Kind.CONTENT:
                raise
            raise asking.bad_input(refused) from None
        except Unclear as error:
            if error.status not in (413, 415):
                raise
            raise asking.bad_input(error) from None

    async def poll(self, job_id: str) -> Job:
        return self._job(await self.http.look(f"/v1/reve-image/status/{quoted(job_id)}"), job_id)

    def _meaning(self, status: int, data: Any) -> UpstreamError | None:
        """Return what another reveweb means by an error: it names the field at fault, where that is none of ours."""
        error = data.get("error") if isinstance(data, dict) else None
        if status not in (400, 422) or not isinstance(error, dict):
            return None
        if error.get("code") == "uploads_full":  # pictures that were sent before fill our account there
            return NotAccepted(f"{status}: {self.http.said(data)}")
        param = error.get("param")
        if param == "model":
            return OperatorTrouble(f"{status}: {self.http.said(data)}", Kind.NOT_FOUND)
        if param in ("aspect_ratio", "size", "quality", "seed", "image", "images", "mask"):
            return BadInput(self.http.said(data))
        return None

    def _job(self, data: Any, job_id: str | None = None) -> Job:
        """Return what an answer says of the job `job_id`, of any job without one.

        Raises Unclear where a field that matters is none, and where the answer is about another job.
        """
        if not isinstance(data, dict):
            raise Unclear("an answer that is no object")
        told_id = data.get("id")
        if job_id is None or told_id is not None:
            told_id = identifier("id", told_id, ID_MAX_LENGTH)
            if job_id is not None and told_id != job_id:
                raise Unclear("an answer about another job")
        metadata = data.get("metadata")
        word = str(data.get("status", "")).lower()
        message = self.http.said(data) if word in FAILED_WORDS else ""
        is_completed = word in COMPLETED_WORDS
        return Job(
            id=told_id or job_id or "",
            state="completed" if is_completed else "failed" if word in FAILED_WORDS else "pending",
            url=identifier("url", data["url"], URL_MAX_LENGTH) if data.get("url") not in (None, "") else "",
            model=words.name(metadata.get("model"), self.http.hidden) if isinstance(metadata, dict) else "",
            message=message,
            is_refused=message == words.Kind.CONTENT,
            cost=_cost(data.get("credits")) if is_completed else None,
        )


def _body(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": order.prompt, "negative_prompt": order.negative_prompt, "async": True}
    if not asking.keeps_shape(order):
        body["aspect_ratio"] = order.aspect_ratio
    if order.operation is Operation.EDIT and order.inputs:
        body["image"] = pictures.data_url(order.inputs[0])
    if order.operation is Operation.REMIX:
        body["images"] = [pictures.data_url(each) for each in order.inputs]
    if order.mask is not None:
        body["mask"] = pictures.data_url(order.mask)
    if order.seed is not None:
        body["seed"] = order.seed
    chosen = {"model": order.model, "size": order.size, "quality": order.quality}
    return {name: value for name, value in (body | chosen).items() if value != ""}


def _cost(credits: object) -> Cost | None:
    """Return what another reveweb says that an image cost, in its credits."""
    if isinstance(credits, bool) or not isinstance(credits, int) or not 0 <= credits <= 1_000_000:
        return None
    return Cost(credits * 1_000_000)
