"""The dialect of the documented Reve Art API, which another reveweb speaks as well."""

from typing import Any

from generator.models import Operation
from generator.upstreams import words
from generator.upstreams.dialect import Capabilities, Dialect, Job, Order
from generator.upstreams.errors import Gone, Kind, OperatorTrouble, Unclear
from generator.upstreams.transport import ID_MAX_LENGTH, URL_MAX_LENGTH, identifier, quoted

# The document knows `pending` and `completed`; the other words are those that APIs of this kind use. Any word that is
# in neither list means that the upstream is still at it.
COMPLETED_WORDS = frozenset({"completed", "complete", "succeeded", "success", "done", "finished"})
FAILED_WORDS = frozenset({"failed", "failure", "error", "errored", "cancelled", "canceled", "rejected", "expired"})


class ReveArt(Dialect):
    """`POST /v1/reve-image/generate` and `GET /v1/reve-image/status/{id}`, always asynchronously."""

    can = Capabilities(operations=frozenset({Operation.CREATE}))

    async def submit(self, order: Order) -> Job:
        body: dict[str, Any] = {"prompt": order.prompt, "aspect_ratio": order.aspect_ratio, "async": True}
        if order.negative_prompt:
            body["negative_prompt"] = order.negative_prompt
        try:
            return self._job(await self.http.submit("/v1/reve-image/generate", json=body))
        except Gone as error:
            trouble = OperatorTrouble(f"it has no generate endpoint: {error}", Kind.NOT_FOUND)
            trouble.status = error.status
            raise trouble from None

    async def poll(self, job_id: str) -> Job:
        return self._job(await self.http.look(f"/v1/reve-image/status/{quoted(job_id)}"), job_id)

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
        return Job(
            id=told_id or job_id or "",
            state="completed" if word in COMPLETED_WORDS else "failed" if word in FAILED_WORDS else "pending",
            url=identifier("url", data["url"], URL_MAX_LENGTH) if data.get("url") not in (None, "") else "",
            model=words.name(metadata.get("model"), self.http.hidden) if isinstance(metadata, dict) else "",
            message=message,
            is_refused=message == words.Kind.CONTENT,
        )
