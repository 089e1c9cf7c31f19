"""The studio's page: the composer, and the wall of what was last asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask import drafts, pausing, prices
from generator.ask.forms import COUNTS, SHAPES, GenerateForm, listed
from generator.library import family, listing, sharing
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, REMIX_MOST_INPUTS, Generation, Operation, Upload
from generator.pages.cards import groups_of, wall_html
from generator.pages.choices import choices_for
from generator.pages.presses import press
from generator.pages.refusals import Refusal
from generator.pages.sources import source_of
from kit.http.requests import without_nul

WORDS = ("prompt", "negative_prompt", "aspect_ratio")
SHARED_WORDS = ("prompt", "aspect_ratio")  # what a public link shows of them, as its dialog says
CHOICES = ("mode", "model", "size", "quality")
SETTINGS = (*WORDS, "count", *CHOICES)
PICTURES = ("input", "mask")  # ids; several are one text in a draft


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

    `?mode=edit&source=` brings a picture along, `?mode=remix&source=` one or several.

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
    chosen = choices_for({name: form[name].value() or "" for name in CHOICES})
    pictures = _pictures(wallet, form)
    context = {
        "form": form,
        "nonce": uuid4(),
        "shapes": SHAPES,
        "counts": [str(count) for count in COUNTS],
        "count": count if count in map(str, COUNTS) else "1",
        "chosen": chosen,
        "cost": chosen.cost,
        "sources": [source_of(one) for one in pictures["input"]],
        "mask": next(iter(pictures["mask"]), None),
        "most_pictures": REMIX_MOST_INPUTS,
        "prices_json": prices.prices_json(),
        "pauses": pausing.standing(prices.current().pauses),
        "balance": wallet.balance,
        "groups": groups_of(history),
        "pending": any(not generation.is_final for generation in history),
        "prompt_max_length": PROMPT_MAX_LENGTH,
        "ideas": IDEAS,
        "history_size": listing.HISTORY_SIZE,
    }
    return render(request, "generator/create.html", context, status=status)


def draft_of(form: QueryDict) -> dict[str, str]:
    """Return what a form says, as texts to keep until its owner is back; files are not."""
    draft = {name: form.get(name, "") for name in SETTINGS}
    return draft | {name: " ".join(form.getlist(name)) for name in PICTURES}


def _pictures(wallet: Wallet, form: GenerateForm) -> dict[str, list[Generation | Upload]]:
    """Return the pictures that stand in the composer: what a form named or brought, as far as it is there."""
    if form.pictures is not None:
        most = 1 if form.cleaned_data["mode"] == Operation.EDIT else None
        return {"input": list(form.pictures)[:most], "mask": list(form.pictures)[most:] if most else []}
    given = form.data if form.is_bound else form.initial
    return {name: family.pictures_called(wallet, listed(given, name)) for name in PICTURES}


def settings_of(wallet: Wallet, public_id: str) -> dict[str, str] | None:
    """Return what an earlier generation of `wallet` was asked for with; None when there is no such one."""
    kept = wallet.generations.kept().filter(public_id=without_nul(public_id[:40]))
    earlier: dict[str, str] | None = kept.values(*WORDS).first()
    return earlier


def _again(wallet: Wallet, public_id: str) -> dict[str, str] | None:
    """Return the whole form for what an earlier generation was asked for with, as far as its pictures are there."""
    words = settings_of(wallet, public_id)
    if words is None:
        return None
    earlier = wallet.generations.select_related("image_model", "group__mask").get(public_id=without_nul(public_id[:40]))
    if earlier.operation == Operation.CREATE and earlier.image_model is None:
        return words
    made_from = [one.public_id for one in family.made_from(earlier)]
    mask = earlier.group.mask if earlier.group else None
    return words | {
        "mode": earlier.operation,
        "model": earlier.image_model.slug if earlier.image_model else "",
        "size": earlier.size,
        "quality": earlier.quality,
        "input": " ".join(made_from),
        "mask": mask.public_id if mask else "",
    }


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
    if (source := request.GET.get("from")) and (earlier := _again(wallet, source)):
        return earlier
    if (token := request.GET.get("shared")) and (shared := sharing.shared_image(token)):
        return {name: getattr(shared, name) for name in SHARED_WORDS}
    sources = " ".join(request.GET.getlist("source")[:REMIX_MOST_INPUTS])
    return _given({**request.GET.dict(), "input": sources, "mask": ""})


def _given(draft: Mapping[str, str]) -> dict[str, str]:
    given = {name: draft.get(name, "") for name in (*SETTINGS, *PICTURES)}
    if given["aspect_ratio"] not in ASPECT_RATIOS:
        del given["aspect_ratio"]
    if given["count"] not in map(str, COUNTS):
        del given["count"]
    return {name: text for name, text in given.items() if text}
