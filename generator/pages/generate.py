"""The studio's form: JSON for the page's script, a redirect to the studio without one."""

from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask import drafts
from generator.ask.admission import Admission
from generator.ask.forms import GenerateForm
from generator.pages.cards import wall_html
from generator.pages.owner import wants_json
from generator.pages.presses import press
from generator.pages.refusals import Refusal
from generator.pages.studio import draft_of, studio


@require_http_methods(["GET", "HEAD", "POST"])
def generate(request: HttpRequest) -> HttpResponse:
    """Take the studio's form: JSON for the page's script, a redirect to the studio without one."""
    if request.method != "POST":
        return redirect("create")
    if not request.user.is_authenticated:
        return _log_in_first(request)
    wallet = wallet_of(request)
    form = GenerateForm(request.POST, request.FILES)
    answer = press(wallet, form)
    if isinstance(answer, Refusal):
        return refused(request, wallet, form, answer)
    return _admitted(request, answer)


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


def _admitted(request: HttpRequest, admitted: Admission) -> HttpResponse:
    if not wants_json(request):
        if admitted.replayed:
            messages.info(request, "You already sent this, so nothing was charged again.")
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


def _log_in_first(request: HttpRequest) -> HttpResponse:
    """Send somebody whose session ended to the log-in page, and keep their words for when they come back."""
    if wants_json(request):  # the page's script keeps the words itself
        login = f"{reverse('account_login')}?{urlencode({'next': reverse('create')})}"
        return JsonResponse({"login": login}, status=401)
    drafts.keep(request.session, draft_of(request.POST))
    return redirect_to_login(reverse("create"))
