"""The studio's settings as code that asks the API for the same image."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import keys
from accounts.models import User
from billing.pages.wallet import wallet_of
from generator import snippets
from generator.ask import prices
from generator.ask.forms import COUNTS, GenerateForm
from generator.pages.choices import choices_for
from generator.pages.generate import refused
from generator.pages.owner import wants_json
from generator.pages.refusals import Refusal
from generator.pages.studio import settings_of
from kit.http.requests import site_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def api_call(request: HttpRequest) -> HttpResponse:
    """Show the composer's settings (POST), or an earlier image's (`?from=`), as curl, Python and JavaScript.

    A part of a page for the page's script, a page without one. Nothing is started.
    """
    wallet = wallet_of(request)
    if request.method != "POST":
        if not (source := request.GET.get("from")):
            return redirect("create")
        if not (earlier := settings_of(wallet, source)):
            raise Http404
        return _shown(request, snippets.call_body(**earlier))
    form = GenerateForm(request.POST)
    if not form.is_valid():
        return refused(request, wallet, form, Refusal(422, ""))
    data = form.cleaned_data
    choice = {name: data[name] for name in ("model", "size", "quality")}
    body = snippets.call_body(data["prompt"], data["negative_prompt"], data["aspect_ratio"], **choice)
    return _shown(request, body, data["count"] or COUNTS[0], choices_for({**choice, "mode": "create"}).cost)


def _shown(request: HttpRequest, body: dict[str, Any], count: int = 1, cost: int | None = None) -> HttpResponse:
    assert isinstance(request.user, User)
    base = site_of(request)
    context = {
        "snippets": [(name, snippets.NEEDS[name], write(base, body)) for name, write in snippets.LANGUAGES.items()],
        "variable": snippets.KEY_VARIABLE,
        "export": snippets.export(),
        "key": keys.live(request.user).first(),
        "count": count,
        "cost": prices.unasked() if cost is None else cost,
    }
    if wants_json(request):
        return JsonResponse({"html": render_to_string("generator/api_call_panel.html", context, request)})
    return render(request, "generator/api_call.html", context)
