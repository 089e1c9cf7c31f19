"""The page on which anybody reports a shared image."""

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from generator.ask import limits
from generator.errors import RateLimited
from generator.library import reports, sharing
from generator.models import Report
from generator.pages.cards import shared_picture_of
from kit.http.requests import client_ip


class ReportForm(forms.Form):
    """What is wrong with an image."""

    use_required_attribute = False

    reason = forms.ChoiceField(
        choices=Report.Reason.choices, widget=forms.RadioSelect, error_messages={"required": "Choose what it is."}
    )
    words = forms.CharField(
        required=False, max_length=Report.WORDS_MAX_LENGTH, widget=forms.Textarea(attrs={"rows": 4}), label="More"
    )
    email = forms.EmailField(required=False, label="Your email address", help_text="If we may ask you about it.")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report_image(request: HttpRequest, token: str) -> HttpResponse:
    """Ask what is wrong with a shared image; a POST puts it down for staff."""
    generation = sharing.shared_image(token)
    if generation is None:
        raise Http404
    form = ReportForm(request.POST or None)
    context = {"form": form, "generation": generation, "picture": shared_picture_of(generation)}
    if request.method != "POST":
        return render(request, "generator/report.html", context)
    if not form.is_valid():
        return render(request, "generator/report.html", context, status=422)
    try:
        limits.take_reports(client_ip(request))
    except RateLimited:
        return render(request, "generator/report.html", context | {"is_limited": True}, status=429)
    user = request.user if isinstance(request.user, User) else None
    reports.report(generation, **form.cleaned_data, reporter=reports.reporter_of(user, client_ip(request) or ""))
    return render(request, "generator/report.html", context | {"is_done": True})
