"""How an error is told: each protocol that is spoken here has a shape of its own for what `answers` lists."""

import re
from typing import Any

from django.http import HttpRequest, JsonResponse

from generator.api.calling import request_url
from generator.api.closed_reve import answers as closed_reve
from generator.api.openai.errors import translated
from kit.metrics import Counter
from reveweb.answers import Answer

Json = dict[str, Any]

ERRORS = Counter("reveweb_api_errors_total", "Calls of the API that were answered with an error.", "code", "status")
MCP = "/mcp"
_SERVER_ERROR = -32000  # JSON-RPC leaves it to who serves
# What OpenAI's clients call, and nobody else.
_OPENAIS = re.compile(r"/v1/(images/(generations|edits|variations)|models/[^/]+)/?")
_MODELS = re.compile(
    r"/v1/models/?"
)  # is our own, and theirs: it has our statuses and codes, and what they read beside


def error_response(request: HttpRequest, answer: Answer, *, image_id: str | None = None) -> JsonResponse:
    """Return the JSON of an error, as whoever calls this address reads it; `image_id` is of the image in the way."""
    ERRORS.add(code=answer.code, status=str(answer.status))
    if request.path_info.startswith(closed_reve.PATHS):
        named = {"param": answer.param, "image_id": image_id, "request_url": request_url(request)}
        response = closed_reve.error(answer.status, answer.code, answer.message, **named)
    elif speaks_openai(request):
        response = _openais(request, answer, image_id)
    elif request.path_info.rstrip("/") == MCP:
        response = JsonResponse(_json_rpc(request, answer), status=answer.status)
    else:
        response = _ours(request, answer, image_id)
    response["Cache-Control"] = "no-store"
    if response.status_code == 401:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def speaks_openai(request: HttpRequest) -> bool:
    """Tell whether a request is for an address that OpenAI's clients call."""
    return _OPENAIS.fullmatch(request.path_info) is not None


def is_read_by_openais(request: HttpRequest) -> bool:
    """Tell whether a request is for an address that OpenAI's clients call, be it one of ours as well."""
    return speaks_openai(request) or _MODELS.fullmatch(request.path_info) is not None


def _ours(request: HttpRequest, answer: Answer, image_id: str | None) -> JsonResponse:
    body, headers = _plain(request, answer, image_id), {}
    if is_read_by_openais(request):
        theirs = translated(answer.status, answer.code, answer.message, answer.param)
        body["error"]["type"] = theirs.type  # no `param`, which is read as none: in our shape nothing is null
        headers = theirs.headers
    return JsonResponse(body, status=answer.status, headers=headers)


def _openais(request: HttpRequest, answer: Answer, image_id: str | None) -> JsonResponse:
    error = translated(answer.status, answer.code, answer.message, answer.param)
    body = error.body
    if image_id:
        body["error"]["image_id"] = image_id
    if url := request_url(request):
        body["error"]["request_url"] = url
    return JsonResponse(body, status=error.status, headers=error.headers)


def _plain(request: HttpRequest, answer: Answer, image_id: str | None) -> Json:
    error = {"code": answer.code, "message": answer.message}
    if answer.param:
        error["param"] = answer.param
    if image_id:
        error["image_id"] = image_id
    if url := request_url(request):
        error["request_url"] = url
    return {"error": error}


def _json_rpc(request: HttpRequest, answer: Answer) -> Json:
    data = {"code": answer.code}
    if url := request_url(request):
        data["request_url"] = url
    return {"jsonrpc": "2.0", "id": None, "error": {"code": _SERVER_ERROR, "message": answer.message, "data": data}}
