"""The studio: its page, its form, and the cards on its wall."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask import admission, drafts
from generator.ask.admission import Admission
from generator.ask.forms import COUNTS, SHAPES, GenerateForm
from generator.errors import (
    GeneratorError,
    IdempotencyConflict,
    LimiterUnavailable,
    OutOfCredits,
    RateLimit,
    RateLimited,
    TooManyAtOnce,
)
from generator.library import listing, sharing
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH
from generator.pages.cards import groups_of, wall_html
from kit.http.requests import without_nul

WORDS = ("prompt", "negative_prompt", "aspect_ratio")
SETTINGS = (*WORDS, "count")


@dataclass(frozen=True)
class Idea:
    """Something to begin with, beside the picture that came of it: one of static/img/landing/, in image pixels."""

    words: str
    ratio: str
    picture: str
    width: int
    height: int
    colour: str


IDEAS = (
    Idea(
        "A lighthouse on a cliff above a calm sea at sunrise, one sailboat passing",
        "16:9",
        "sunrise",
        544,
        306,
        "#ada8b5",
    ),
    Idea("“Morning, slowly” on a cafe card, a white cup of coffee steaming", "3:4", "morning", 464, 619, "#ddc5bd"),
    Idea("A bottle of golden perfume and an orange, product photo, warm light", "4:3", "perfume", 480, 360, "#d8b497"),
    Idea("Geometric pattern, warm terracotta and cream tiles", "1:1", "tiles", 360, 360, "#a96a64"),
)


@dataclass(frozen=True)
class Refusal:
    """Why the studio could not take a form: the status, the words beside the form, and when to come back."""

    status: int
    words: str
    retry_after: int | None = None


@login_required
@require_safe
@never_cache  # Back shows what is true now, with a form that was not sent yet
def create(request: HttpRequest) -> HttpResponse:
    """The studio: the composer and what was last asked for. `?from=` and `?prompt=` fill the composer in."""
    wallet = wallet_of(request)
    return studio(request, wallet, GenerateForm(initial=_initial(request, wallet)))


@require_http_methods(["GET", "HEAD", "POST"])
def generate(request: HttpRequest) -> HttpResponse:
    """Take the studio's form: JSON for the page's script, a redirect to the studio without one."""
    if request.method != "POST":
        return redirect("create")
    if not request.user.is_authenticated:
        return _log_in_first(request)
    wallet = wallet_of(request)
    form = GenerateForm(request.POST)
    if not form.is_valid():
        return refused(request, wallet, form, Refusal(422, ""))
    try:
        admitted = admission.admit(wallet=wallet, request=form.wanted, idempotency_key=form.idempotency_key)
    except GeneratorError as error:
        refusal = _refusal_of(error, form.wanted.count)
        form.add_error(None, refusal.words)
        return refused(request, wallet, form, refusal)
    return _admitted(request, admitted)


@login_required
@require_safe
@never_cache
def wall(request: HttpRequest) -> HttpResponse:
    """What was last asked for, as a fragment: an open page that may have missed something looks here."""
    wallet = wallet_of(request)
    response = HttpResponse(wall_html(listing.history(wallet), fresh=True))
    response["X-Credits-Remaining"] = str(wallet.balance)
    return response


def settings_of(wallet: Wallet, public_id: str) -> dict[str, str] | None:
    """Return what an earlier generation of `account` was asked for with; None when there is no such one."""
    kept = wallet.generations.kept().filter(public_id=without_nul(public_id[:40]))
    earlier: dict[str, str] | None = kept.values(*WORDS).first()
    return earlier


def _initial(request: HttpRequest, wallet: Wallet) -> dict[str, str]:
    """Return what the composer starts with.

    That is what was kept over a log-in, an earlier generation (`?from=`), a shared image (`?shared=`), or the address.
    """
    if kept := drafts.take(request.session):
        return _given(kept)
    if (source := request.GET.get("from")) and (earlier := settings_of(wallet, source)):
        return earlier
    if (token := request.GET.get("shared")) and (shared := sharing.shared_image(token)):
        return {name: getattr(shared, name) for name in WORDS}
    return _given(request.GET)


def _given(draft: Mapping[str, str]) -> dict[str, str]:
    given = {name: draft.get(name, "") for name in SETTINGS}
    if given["aspect_ratio"] not in ASPECT_RATIOS:
        del given["aspect_ratio"]
    if given["count"] not in map(str, COUNTS):
        del given["count"]
    return {name: text for name, text in given.items() if text}


def studio(request: HttpRequest, wallet: Wallet, form: GenerateForm, status: int = 200) -> HttpResponse:
    """Answer with the studio's page around `form`."""
    history = listing.history(wallet)
    count = form["count"].value()
    context = {
        "form": form,
        "nonce": uuid4(),
        "shapes": SHAPES,
        "counts": [str(count) for count in COUNTS],
        "count": count if count in map(str, COUNTS) else "1",
        "cost": admission.CREDITS_PER_IMAGE,
        "balance": wallet.balance,
        "groups": groups_of(history),
        "pending": any(not generation.is_final for generation in history),
        "prompt_max_length": PROMPT_MAX_LENGTH,
        "ideas": IDEAS,
        "history_size": listing.HISTORY_SIZE,
    }
    return render(request, "generator/create.html", context, status=status)


def _admitted(request: HttpRequest, admitted: Admission) -> HttpResponse:
    if not wants_json(request):
        if admitted.replayed:
            messages.info(request, "You had sent this already, so nothing was charged again.")
        return redirect("create")
    kept = [generation for generation in admitted.generations if generation.deleted_at is None]
    body = {
        "ids": [generation.public_id for generation in kept],
        "html": wall_html(kept),
        "balance": admitted.credits_remaining,
        "nonce": uuid4(),
    }
    response = JsonResponse(body, status=200 if admitted.replayed else 201)
    response["Cache-Control"] = "no-store"
    return response


def refused(request: HttpRequest, wallet: Wallet, form: GenerateForm, refusal: Refusal) -> HttpResponse:
    """Answer with what is wrong with `form`: JSON for the page's script, else the studio with the words in it."""
    wallet.refresh_from_db()
    if wants_json(request):
        body = {"errors": form.errors, "balance": wallet.balance, "nonce": uuid4()}
        response: HttpResponse = JsonResponse(body, status=refusal.status)
        response["Cache-Control"] = "no-store"
    else:
        response = studio(request, wallet, form, refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _refusal_of(error: GeneratorError, count: int) -> Refusal:
    match error:
        case OutOfCredits(balance=balance, needed=needed) if balance:
            words = f"{_count(count, 'image')} cost {_count(needed, 'credit')}; you have {balance:,}."
            return Refusal(402, f"{words} Nothing was charged. Choose fewer images, or get more credits.")
        case OutOfCredits():
            these = "this image" if count == 1 else "these images"
            return Refusal(402, f"You have no credits left for {these}. Nothing was charged.")
        case RateLimited(rate=rate):
            return Refusal(429, f"{_why_limited(rate, count)} in {_count(rate.reset, 'second')}.", rate.reset)
        case TooManyAtOnce(most=most):
            words = f"Your plan makes {_count(most, 'image')} at a time."
            then = "try again when one is done" if count == 1 else "choose fewer, or try again when some are done"
            return Refusal(429, f"{words} Nothing was charged; {then}.", 2)
        case LimiterUnavailable():
            return Refusal(503, "New images can't be taken for a moment. Nothing was charged; try again shortly.", 5)
        case IdempotencyConflict():
            return Refusal(
                409, "This page had already started another image. Press Generate again to start this one as well."
            )
    raise error


def _why_limited(rate: RateLimit, count: int) -> str:
    """Say what the limit is, and what helps beside waiting."""
    words = f"You can start {_count(rate.limit, 'image')} a minute"
    if count > 1 and rate.remaining:
        return f"{words}; {rate.remaining:,} are left. Nothing was charged. Choose fewer, or try again"
    return f"{words}. Nothing was charged; try again"


def _log_in_first(request: HttpRequest) -> HttpResponse:
    """Send somebody whose session ended to the log-in page, and keep their words for when they come back."""
    if wants_json(request):  # the page's script keeps the words itself
        login = f"{reverse('account_login')}?{urlencode({'next': reverse('create')})}"
        return JsonResponse({"login": login}, status=401)
    drafts.keep(request.session, {name: request.POST.get(name, "") for name in SETTINGS})
    return redirect_to_login(reverse("create"))


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's script asks."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
