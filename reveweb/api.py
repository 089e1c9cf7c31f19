"""Assembles `/v1` from the apps' routers, and answers whatever is raised there."""

import logging
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from generator.api.account import router as account_router
from generator.api.browser_tokens import router as tokens_router
from generator.api.calling import describe_standing
from generator.api.closed_reve.endpoints import older as older_router
from generator.api.closed_reve.endpoints import router as closed_reve_router
from generator.api.images import router as images_router
from generator.api.jobs import router as jobs_router
from generator.api.models import router as models_router
from generator.api.openai.views import router as openai_router
from generator.api.pictures import router as pictures_router
from generator.errors import ForcedBreakdown
from kit.http import json_body
from kit.http.json_body import InvalidJson
from kit.postgresql.outage import RETRY_SECONDS, is_outage
from reveweb.answers import ANSWERS, DATABASE_AWAY, INTERNAL_ERROR, Answer, answer_of, retry_seconds, told
from reveweb.lanes import API_BODY_BYTES
from reveweb.leaks.api import router as leaks_router
from reveweb.voices import error_response

log = logging.getLogger(__name__)


class JsonParser(Parser):
    """Takes JSON in UTF-8 within bounds and nothing else."""

    def parse_body(self, request: HttpRequest) -> Any:
        return json_body.parse(request, most=API_BODY_BYTES)


def _on_domain_error(request: HttpRequest, error: Exception) -> HttpResponse:
    answer = told(answer_of(error), error, getattr(request, "caller", None))
    response = error_response(request, answer, image_id=getattr(error, "public_id", None))
    rate = getattr(error, "rate", None)
    describe_standing(request, response, rate, getattr(error, "balance", None))
    if (seconds := retry_seconds(error)) is not None:
        response["Retry-After"] = str(seconds)
    return response


def _on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    path = [str(part) for part in first["loc"] if part not in ("body", "path", "query")]
    if not path:  # the framework shows an empty body to no parser
        return _on_domain_error(request, InvalidJson())
    response = error_response(request, Answer(422, "invalid_request", f"{path[0]}: {first['msg']}", path[0]))
    describe_standing(request, response, None)
    return response


def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    cause = error.__cause__  # the framework wraps what its parser raises
    if isinstance(cause, Exception) and isinstance(cause, tuple(ANSWERS)):
        return _on_domain_error(request, cause)
    return error_response(request, Answer(error.status_code, "invalid_request", str(error)))


def _on_forced_breakdown(request: HttpRequest, error: ForcedBreakdown) -> HttpResponse:
    return error_response(request, INTERNAL_ERROR)


def _on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    if is_outage(error):
        log.error("%s %s failed, for the database is away: %s", request.method, request.path, error)
        response = error_response(request, DATABASE_AWAY)
        response["Retry-After"] = str(RETRY_SECONDS)
        return response
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return error_response(request, INTERNAL_ERROR)


def _assembled(*routers: Router, namespace: str | None = None) -> NinjaAPI:
    whole = NinjaAPI(
        title=f"{settings.SITE_NAME} API",
        version="1",
        description="Draw images from words.",
        parser=JsonParser(),
        docs_url=None,
        openapi_url=None,  # `reveweb.openapi` has it
        urls_namespace=namespace,
    )
    for kind in ANSWERS:
        whole.exception_handler(kind)(_on_domain_error)
    whole.exception_handler(ValidationError)(_on_invalid)
    whole.exception_handler(HttpError)(_on_http_error)
    whole.exception_handler(ForcedBreakdown)(_on_forced_breakdown)
    whole.exception_handler(Exception)(_on_bug)
    for router in routers:
        whole.add_router("", router)
    return whole


api = _assembled(
    images_router,
    pictures_router,
    jobs_router,
    models_router,
    account_router,
    tokens_router,
    leaks_router,
    openai_router,
    closed_reve_router,
)
older = _assembled(older_router, namespace="older")  # at /api/, for clients that know nothing of /v1
