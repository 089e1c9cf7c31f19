"""The endpoint that reports of leaked keys come to, one by one or many at once."""

from functools import partial
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema
from pydantic import ConfigDict

from generator.api.calling import answer
from generator.ask import limits
from generator.errors import InvalidRequest
from kit.http.requests import client_ip
from kit.threads import in_thread
from reveweb.leaks import reports

router = Router(tags=["Keys"])

Secret = Annotated[str, Field(max_length=200)]


class ReportRequest(Schema):
    """A key that was found, or several. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    key: Secret = Field(
        "",
        description="The whole key.",
        examples=[f"rv_E1R7dGq2_{'0' * 38}"],
    )
    keys: list[Secret] = Field(
        default_factory=list,
        description="Several at once, instead.",
        examples=[[f"rv_E1R7dGq2_{'0' * 38}"]],
        max_length=reports.MOST_KEYS,
    )
    where: str = Field(
        "",
        description="Where it was found. Its owner gets to read that.",
        examples=["https://example.com/config.js"],
        max_length=reports.WHERE_MAX_LENGTH,
    )


class Report(Schema):
    """What whoever reports a key gets to know, whether it is a key or not."""

    status: Literal["accepted"] = Field(description="It was looked at.")
    message: str = Field(description="For people. Words may change.", examples=[reports.ANSWER])


@router.post(
    "/keys/report",
    auth=None,
    response={202: Report},
    summary="Report a leaked key",
    operation_id="report_key",
    openapi_extra={"security": []},  # whoever finds a key need not have one
)
@router.post("/keys/report/", auth=None, include_in_schema=False)
async def report_key(request: HttpRequest, body: ReportRequest) -> HttpResponse:
    """Revoke a key that you found, at once; its owner is told. The answer is the same for what is no key of ours."""
    secrets = [secret for secret in (body.key, *body.keys) if secret]
    if not 1 <= len(secrets) <= reports.MOST_KEYS:
        raise InvalidRequest("keys", f"name 1 to {reports.MOST_KEYS} keys")
    await limits.take_reports_soon(client_ip(request))
    await in_thread(partial(reports.report, secrets, body.where))
    return answer({"status": "accepted", "message": reports.ANSWER}, status=202)
