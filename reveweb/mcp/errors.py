"""How a tool's errors are told: the API's code and words, and what a model does about it."""

import logging
from typing import Any

from django.http import HttpRequest
from pydantic import ValidationError

from kit.http.requests import site_of
from kit.postgresql.outage import RETRY_SECONDS, is_outage
from kit.text import counted
from reveweb.answers import ANSWERS, DATABASE_AWAY, INTERNAL_ERROR, Answer, answer_of, retry_seconds, told
from reveweb.mcp.calls import Told
from reveweb.mcp.sessions import SessionSpent

log = logging.getLogger(__name__)

_BILLING = "Tell the person you work for; they buy credits at {site}/dashboard/billing/. Do not try again before that."
_KEYS = "Tell the person you work for; they change what this key may do at {site}/dashboard/api-keys/."
# What is to be done, by the API's code; a code that is not here has words that say it.
_ADVICE = {
    "insufficient_credits": _BILLING,
    "key_limit_reached": _KEYS,
    "scope_missing": _KEYS,
    "prompt_refused": "Change the prompt, or ask the person you work for; the same one will be refused again.",
    "prompt_not_allowed": "Change the prompt, or ask the person you work for; the same one will be refused again.",
    "invalid_request": "Mend that argument and call again. Nothing was charged.",
    "not_found": "list_images tells which images there are.",
    "image_not_found": "Use another idempotency_key to have it made again.",
    "idempotency_conflict": "Use another idempotency_key for another image.",
}


def tell(request: HttpRequest, error: Exception) -> Told:
    """Return what a model gets to see of an error; one that nobody thought of is logged, and not shown."""
    answer, seconds, more = _answer(request, error)
    words = [f"{answer.code}: {answer.message}"]
    if seconds is not None:
        words.append(f"Try again in {counted(seconds, 'second')}.")
    if advice := _ADVICE.get(answer.code):
        words.append(advice.format(site=site_of(request)))
    data: dict[str, Any] = {"code": answer.code, "message": answer.message, **more}
    if answer.param:
        data["param"] = answer.param
    if seconds is not None:
        data["retry_after_seconds"] = seconds
    if image_id := getattr(error, "public_id", None):
        data["image_id"] = image_id
    return Told(" ".join(words), {"error": data})


def _answer(request: HttpRequest, error: Exception) -> tuple[Answer, int | None, dict[str, Any]]:
    match error:
        case SessionSpent(cap=cap, spent=spent, needed=needed):
            words = (
                f"This session may spend {counted(cap, 'credit')} and has spent {spent}; this needs {needed}. Nothing "
                "was charged. Tell the person you work for: a new session of theirs may spend as much again."
            )
            more = {"credits_limit": cap, "credits_spent": spent, "credits_needed": needed}
            return Answer(402, "session_limit_reached", words), None, more
        case ValidationError():
            first = error.errors(include_input=False, include_url=False)[0]
            param = ".".join(str(part) for part in first["loc"]) or None
            message = f"{param}: {first['msg']}" if param else first["msg"]
            return Answer(422, "invalid_request", f"{message}.", param), None, {}
        case _ if isinstance(error, tuple(ANSWERS)):
            return told(answer_of(error), error, getattr(request, "caller", None)), retry_seconds(error), {}
    if is_outage(error):
        log.error("An MCP tool failed, for the database is away: %s", error)
        return DATABASE_AWAY, RETRY_SECONDS, {}
    log.error("An MCP tool failed", exc_info=error)
    return INTERNAL_ERROR, None, {}
