"""The studio's page: the composer, and the wall of what was last asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask import drafts, prices
from generator.ask.forms import COUNTS, SHAPES, GenerateForm
from generator.library import listing, sharing
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH
from generator.pages.cards import groups_of, wall_html
from generator.pages.presses import press
from generator.pages.refusals import Refusal
from kit.http.requests import without_nul

WORDS = ("prompt", "negative_prompt", "aspect_ratio")
SHARED_WORDS = ("prompt", "aspect_ratio")  # what a public link shows of them, as its dialog says
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


@login_required
@require_safe
@never_cache  # Back shows what is true now, with a form that was not sent yet
def create(request: HttpRequest) -> HttpResponse:
    """The studio: the composer and what was last asked for. `?from=` and `?prompt=` fill the composer in.

    A press that was made before its owner had signed up or logged in is drawn now. The session gives it away once, and
    its nonce admits it once; a page that is fetched ahead, for somebody who may never look, leaves it there.
    """
    wallet = wallet_of(request)
    if _is_looked_at(request) and (pressed := drafts.take_press(request.session)):
        return _draw(request, wallet, pressed)
    return studio(request, wallet, GenerateForm(initial=_initial(request, wallet)))


@login_required
@require_safe
@never_cache
def wall(request: HttpRequest) -> HttpResponse:
    """What was last asked for, as a fragment: an open page that may have missed something looks here."""
    wallet = wallet_of(request)
    response = HttpResponse(wall_html(listing.history(wallet), fresh=True))
    response["X-Credits-Remaining"] = str(wallet.balance)
    return response


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
        "cost": prices.unasked(),
        "prices_json": prices.prices_json(),
        "balance": wallet.balance,
        "groups": groups_of(history),
        "pending": any(not generation.is_final for generation in history),
        "prompt_max_length": PROMPT_MAX_LENGTH,
        "ideas": IDEAS,
        "history_size": listing.HISTORY_SIZE,
    }
    return render(request, "generator/create.html", context, status=status)


def settings_of(wallet: Wallet, public_id: str) -> dict[str, str] | None:
    """Return what an earlier generation of `wallet` was asked for with; None when there is no such one."""
    kept = wallet.generations.kept().filter(public_id=without_nul(public_id[:40]))
    earlier: dict[str, str] | None = kept.values(*WORDS).first()
    return earlier


def _draw(request: HttpRequest, wallet: Wallet, pressed: Mapping[str, str]) -> HttpResponse:
    """Lead to the image that was asked for, its words still in the composer; or say in the form why there is none."""
    form = GenerateForm({"aspect_ratio": ASPECT_RATIOS[0], **_given(pressed), "nonce": pressed["nonce"]})
    answer = press(wallet, form)
    if isinstance(answer, Refusal):
        wallet.refresh_from_db()
        return studio(request, wallet, form)
    first = answer.generation.public_id
    return redirect(f"{reverse('create')}?{urlencode({'from': first})}#{first}")


def _is_looked_at(request: HttpRequest) -> bool:
    return request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", "")


def _initial(request: HttpRequest, wallet: Wallet) -> dict[str, str]:
    """Return what the composer starts with.

    That is what was kept over a log-in, an earlier generation (`?from=`), a shared image (`?shared=`), or the address.
    """
    if _is_looked_at(request) and (kept := drafts.take(request.session)):
        return _given(kept)
    if (source := request.GET.get("from")) and (earlier := settings_of(wallet, source)):
        return earlier
    if (token := request.GET.get("shared")) and (shared := sharing.shared_image(token)):
        return {name: getattr(shared, name) for name in SHARED_WORDS}
    return _given(request.GET)


def _given(draft: Mapping[str, str]) -> dict[str, str]:
    given = {name: draft.get(name, "") for name in SETTINGS}
    if given["aspect_ratio"] not in ASPECT_RATIOS:
        del given["aspect_ratio"]
    if given["count"] not in map(str, COUNTS):
        del given["count"]
    return {name: text for name, text in given.items() if text}
