"""The pages around images, and the images themselves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing import ledger
from billing.models import Account
from generator import admission, images, stream
from generator import gallery as shelves
from generator.admission import Admission
from generator.cards import card_context, card_html, card_of
from generator.errors import (
    GeneratorError,
    IdempotencyConflict,
    LimiterUnavailable,
    OutOfCredits,
    RateLimited,
    TooManyAtOnce,
)
from generator.forms import SHAPES, GenerateForm
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, Generation
from generator.threads import in_thread

_FILE_NAME = re.compile(r"[0-9A-Za-z]{32}(?:_(?:480|960))?\.(png|jpg|webp)")


@require_safe
async def image(request: HttpRequest, file_name: str) -> HttpResponse:
    """Serve a stored image or thumbnail to anybody who knows its unguessable name; it never changes."""
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return HttpResponse(status=404)
    try:
        data = await in_thread(lambda: images.read(file_name))
    except FileNotFoundError:
        return HttpResponse(status=404)
    response = HttpResponse(data, content_type=images.CONTENT_TYPES[match[1]])
    response["Content-Length"] = str(len(data))
    response["ETag"] = f'"{file_name}"'
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    conditional = get_conditional_response(request, etag=response["ETag"], response=response)
    assert isinstance(conditional, HttpResponse)
    return conditional


WORDS = ("prompt", "negative_prompt", "aspect_ratio")
DRAFT_MAX_LENGTH = 8_000  # characters of each that are kept over a log-in, so that a text that is too long is kept too


@dataclass(frozen=True)
class Refusal:
    """Why the studio could not take a form: the status, the words beside the form, and when to come back."""

    status: int
    words: str
    retry_after: int | None = None


@login_required
@require_safe
def create(request: HttpRequest) -> HttpResponse:
    """The studio: the composer and what was last asked for. `?from=` and `?prompt=` fill the composer in."""
    account = _account(request)
    return _studio(request, account, GenerateForm(initial=_initial(request, account)))


@require_http_methods(["GET", "HEAD", "POST"])
def generate(request: HttpRequest) -> HttpResponse:
    """Take the studio's form: JSON for the page's script, a redirect to the studio without one."""
    if request.method != "POST":
        return redirect("create")
    if not request.user.is_authenticated:
        return _log_in_first(request)
    account = _account(request)
    form = GenerateForm(request.POST)
    if not form.is_valid():
        return _refused(request, account, form, Refusal(422, ""))
    try:
        admitted = admission.admit(account=account, request=form.wanted, idempotency_key=form.idempotency_key)
    except GeneratorError as error:
        refusal = _refusal_of(error)
        form.add_error(None, refusal.words)
        return _refused(request, account, form, refusal)
    return _admitted(request, admitted)


@login_required
@require_safe
@never_cache
def generation_card(request: HttpRequest, public_id: str) -> HttpResponse:
    """One of one's own generations as it stands, as a fragment for the studio."""
    account = _account(request)
    generation = get_object_or_404(Generation, account=account, public_id=public_id.replace("\x00", ""))
    response = render(request, "generator/card.html", card_context(generation, fresh=generation.is_final))
    response["X-Credits-Remaining"] = str(account.balance)
    return response


@login_required
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """One's own completed images, newest first, searched and paged by the address."""
    search = request.GET.get("q", "").strip()[: shelves.QUERY_MAX_LENGTH]
    before = request.GET.get("before", "")
    page = shelves.page(_account(request), search=search, before=before)
    context = {
        "cards": [card_of(generation) for generation in page.images],
        "search": search,
        "paged": bool(before),
        "older": urlencode({"before": page.older} | ({"q": search} if search else {})) if page.older else "",
    }
    return render(request, "generator/gallery.html", context)


@login_required
@require_safe
@never_cache
def generation(request: HttpRequest, public_id: str) -> HttpResponse:
    """One of one's own generations; what is not finished is best watched in the studio."""
    generation = get_object_or_404(Generation, account=_account(request), public_id=public_id.replace("\x00", "")[:40])
    if not generation.is_final:
        return redirect(f"{reverse('create')}#{generation.public_id}")
    return render(request, "generator/generation.html", card_context(generation))


async def events(request: HttpRequest) -> HttpResponseBase:
    """The signed-in account's changes as server-sent events, for about ten minutes at a time."""
    user = await request.auser()
    if user.pk is None:
        return HttpResponse(status=401)
    user_id = user.pk
    account = await in_thread(lambda: ledger.account_of(user_id))
    response = StreamingHttpResponse(stream.events(account.pk), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


def _account(request: HttpRequest) -> Account:
    assert request.user.pk is not None
    return ledger.account_of(request.user.pk)


def _initial(request: HttpRequest, account: Account) -> dict[str, str]:
    """Return what the composer starts with: words kept over a log-in, an earlier generation's, or the address's."""
    if kept := request.session.pop("studio_draft", None):
        return _given(kept)
    source = request.GET.get("from", "")
    if source and (earlier := account.generations.filter(public_id=source[:40].replace("\x00", "")).first()):
        return {name: getattr(earlier, name) for name in WORDS}
    return _given(request.GET)


def _given(words: Mapping[str, str]) -> dict[str, str]:
    given = {name: words.get(name, "") for name in WORDS}
    if given["aspect_ratio"] not in ASPECT_RATIOS:
        del given["aspect_ratio"]
    return {name: text for name, text in given.items() if text}


def _studio(request: HttpRequest, account: Account, form: GenerateForm, status: int = 200) -> HttpResponse:
    history = shelves.history(account)
    context = {
        "form": form,
        "nonce": uuid4(),
        "shapes": SHAPES,
        "cost": admission.CREDITS_PER_IMAGE,
        "balance": account.balance,
        "cards": [card_of(generation) for generation in history],
        "pending": any(not generation.is_final for generation in history),
        "typical": settings.UPSTREAM_TYPICAL_SECONDS,
        "prompt_max_length": PROMPT_MAX_LENGTH,
    }
    return render(request, "generator/create.html", context, status=status)


def _admitted(request: HttpRequest, admitted: Admission) -> HttpResponse:
    if not _wants_json(request):
        if admitted.replayed:
            messages.info(request, "You had sent this already, so nothing was charged again.")
        return redirect("create")
    body = {
        "id": admitted.generation.public_id,
        "html": card_html(admitted.generation),
        "balance": admitted.credits_remaining,
        "nonce": uuid4(),
    }
    response = JsonResponse(body, status=200 if admitted.replayed else 201)
    response["Cache-Control"] = "no-store"
    return response


def _refused(request: HttpRequest, account: Account, form: GenerateForm, refusal: Refusal) -> HttpResponse:
    account.refresh_from_db()
    if _wants_json(request):
        body = {"errors": form.errors, "balance": account.balance, "nonce": uuid4()}
        response: HttpResponse = JsonResponse(body, status=refusal.status)
        response["Cache-Control"] = "no-store"
    else:
        response = _studio(request, account, form, refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _refusal_of(error: GeneratorError) -> Refusal:
    match error:
        case OutOfCredits():
            return Refusal(402, "You have no credits left for this image. Nothing was charged.")
        case RateLimited(rate=rate):
            return Refusal(
                429,
                f"You can start {_count(rate.limit, 'image')} a minute. Nothing was charged; "
                f"try again in {_count(rate.reset, 'second')}.",
                rate.reset,
            )
        case TooManyAtOnce(most=most):
            words = f"Your plan makes {_count(most, 'image')} at a time."
            return Refusal(429, f"{words} Nothing was charged; try again when one is done.", 2)
        case LimiterUnavailable():
            return Refusal(503, "New images can't be taken for a moment. Nothing was charged; try again shortly.", 5)
        case IdempotencyConflict():
            return Refusal(
                409, "This page had already started another image. Press Generate again to start this one as well."
            )
    raise error


def _log_in_first(request: HttpRequest) -> HttpResponse:
    """Send somebody whose session ended to the log-in page, and keep their words for when they come back."""
    if _wants_json(request):  # the page's script keeps the words itself
        login = f"{reverse('account_login')}?{urlencode({'next': reverse('create')})}"
        return JsonResponse({"login": login}, status=401)
    # In the session and not in the address: 4,000 characters in a URL are more than some servers take.
    request.session["studio_draft"] = {name: request.POST.get(name, "")[:DRAFT_MAX_LENGTH] for name in WORDS}
    return redirect_to_login(reverse("create"))


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
