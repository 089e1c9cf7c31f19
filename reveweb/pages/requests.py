"""Dashboard → Requests: each call of the API with one's keys, what was answered, and running it again."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.viewer import user_of
from billing import ledger
from billing.pages.wallet import wallet_of
from generator import snippets
from generator.calls import listing
from generator.calls.seen import ANY_PATH
from generator.calls.words import sized
from generator.models import ApiCall, Generation
from generator.pages.cards import Picture, picture_of
from kit.http.requests import site_of
from reveweb import again
from reveweb.docs import errors, reference
from reveweb.docs.code import LANGUAGES, Code, chosen_language
from reveweb.noting import HUNG_UP

KEYS_LISTED = 100
PROMPT_IN_ADDRESS = 1500  # characters
ID = re.compile("req_[0-9a-f]{24}")
LOOKS = 6  # at a call that is not there yet, a second apart: whoever answers calls writes them down each second


@dataclass(frozen=True)
class Row:
    """A call in the list, with the image that it is about."""

    call: ApiCall
    generation: Generation | None
    picture: Picture | None
    more: int  # images beside that one


@dataclass(frozen=True)
class Meaning:
    """What an error means, in the words of the documentation."""

    when: str
    advice: str
    billed: str
    url: str


@login_required
@require_safe
@never_cache
def requests(request: HttpRequest) -> HttpResponse:
    """List the viewer's calls, newest first, by the filters in the address."""
    wallet = wallet_of(request)
    filters = listing.filters_of(request.GET)
    page = listing.page(wallet, filters, before=request.GET.get("before", ""))
    images = listing.images_of(wallet, page.calls)
    context = {
        "rows": [_row(call, images) for call in page.calls],
        "filters": filters,
        "paged": "before" in request.GET,
        "older": urlencode({"before": page.older}) if page.older else "",
        "is_new": not page.calls and not filters.query and not listing.has_any(wallet),
        "keys": ledger.keys_of(wallet).order_by("-pk")[:KEYS_LISTED],
        "classes": [(name, words) for name, (_, words) in listing.CLASSES.items()],
        "paths": sorted({operation.path for operation in reference.operations()}),
        "codes": sorted({one.code for one in errors.refusals()} | {one.code for one in errors.failures()}),
        "days": settings.REQUEST_LOG_DAYS,
    }
    return render(request, "dashboard/requests.html", context)


@login_required
@require_safe
@never_cache
def request(request: HttpRequest, request_id: str) -> HttpResponse:
    """One call: what was asked, what was answered, what it cost and what it means; one just made may be on its way."""
    if call := listing.find(wallet_of(request), request_id):
        return _page(request, call)
    looks = request.GET.get("looks", "0")
    if ID.fullmatch(request_id) is None or looks not in map(str, range(LOOKS)):
        raise Http404
    response = render(request, "dashboard/request_coming.html", {"request_id": request_id}, status=202)
    response["Refresh"] = f"1; url=?looks={int(looks) + 1}"
    return response


@login_required
@require_POST
def run_again(request: HttpRequest, request_id: str) -> HttpResponse:
    """Run a call once more and lead to its image; what refuses it is said on the call's page."""
    call = _own_call(request, request_id)
    able = again.again_of(call, user_of(request))
    nonce = _nonce(request.POST.get("nonce", ""))
    if able is None or nonce is None:
        return redirect("request", request_id=call.request_id)
    status, told = again.run(able, request, str(nonce))
    image = again.image_of(told)
    if status < 400 and image:
        return redirect("generation", public_id=image)
    error = told.get("error", told)
    message = error.get("message") if isinstance(error, dict) else ""
    return _page(request, call, refused=message or "It was answered, and made no image.", status=min(status, 499))


def _page(request: HttpRequest, call: ApiCall, *, refused: str = "", status: int = 200) -> HttpResponse:
    wallet = wallet_of(request)
    images = listing.images_of(wallet, [call])
    able = again.again_of(call, user_of(request))
    body = again.body_of(call)
    context = {
        "call": call,
        "row": _row(call, images),
        "meaning": _meaning(call),
        "hung_up": call.status == HUNG_UP,
        "asked": _pretty(call.request_body),
        "asked_size": sized(call.request_bytes)[2:-1],
        "answered": _pretty(call.answer_body),
        "codes": _codes(request, call, body),
        "chosen": chosen_language(request.COOKIES),
        "again": able,
        "nonce": uuid4(),
        "studio": "" if able else _studio(body, images.get(call.image_id)),
        "refused": refused,
    }
    return render(request, "dashboard/request.html", context, status=status)


def _own_call(request: HttpRequest, request_id: str) -> ApiCall:
    call = listing.find(wallet_of(request), request_id)
    if call is None:
        raise Http404
    return call


def _row(call: ApiCall, images: dict[str, Generation]) -> Row:
    generation = images.get(call.image_id)
    finished = generation is not None and generation.status == Generation.Status.COMPLETED
    picture = picture_of(generation) if generation is not None and finished else None
    return Row(call, generation, picture, max(0, call.images - 1))


def _meaning(call: ApiCall) -> Meaning | None:
    """Return what the docs say of a call's error, where they have a row of it."""
    if not call.error_code:
        return None
    url = f"{reverse('docs_page', args=['errors'])}#{call.error_code}"
    for refusal in errors.refusals():
        if refusal.code == call.error_code and refusal.status == call.status:
            return Meaning(_plain(refusal.when), _plain(refusal.advice), _plain(refusal.billed), url)
    for failure in errors.failures():
        if failure.code == call.error_code:
            return Meaning(_plain(failure.when), _plain(failure.advice), "No, the credit is back.", url)
    return None


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def _codes(request: HttpRequest, call: ApiCall, body: dict[str, Any]) -> list[Code]:
    """Return the call in each language; one whose body is no JSON object cannot be told."""
    if call.method not in ("GET", "POST", "DELETE") or (call.request_bytes and not body) or call.path == ANY_PATH:
        return []
    base, sent = site_of(request), (body if call.method == "POST" else None)
    return [
        Code(language, snippets.LANGUAGES[title](base, sent, call.path, call.method), {})
        for language, title in LANGUAGES.items()
    ]


def _pretty(body: str) -> Code | None:
    if not body:
        return None
    try:
        return Code("json", json.dumps(json.loads(body), indent=2, ensure_ascii=False), {})
    except (ValueError, RecursionError):  # it was cut, or is no JSON that anybody reads
        return Code("text", body, {})


def _studio(body: dict[str, Any], generation: Generation | None) -> str:
    """Return where the studio has a call's words, "" where they are not known."""
    prompt = body.get("prompt")
    if generation is not None:
        return f"{reverse('create')}?{urlencode({'from': generation.public_id})}"
    if not isinstance(prompt, str) or not 0 < len(prompt) <= PROMPT_IN_ADDRESS:
        return ""
    words = {name: body[name] for name in ("prompt", "aspect_ratio") if isinstance(body.get(name), str)}
    return f"{reverse('create')}?{urlencode(words)}"


def _nonce(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
