"""The page on which people report a key that they found."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generator.ask import limits
from generator.errors import RateLimited
from kit.http.requests import client_ip
from reveweb.leaks import reports


class ReportForm(forms.Form):
    """Whole keys, a line each, and where they were found."""

    use_required_attribute = False

    keys = forms.CharField(
        max_length=20_000,
        label="The key",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="All of it, from rv_ to the end. Several: one a line.",
        error_messages={"required": "Paste the whole key: it is what shows that you found it."},
    )
    where = forms.CharField(
        required=False,
        max_length=reports.WHERE_MAX_LENGTH,
        label="Where you found it",
        help_text="An address, for example. Its owner gets to read that.",
    )

    def clean_keys(self) -> list[str]:
        """Return what may be keys."""
        found: list[str] = self.cleaned_data["keys"].split()
        if len(found) > reports.MOST_KEYS:
            raise forms.ValidationError(f"Report at most {reports.MOST_KEYS} at once.")
        return found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report_key(request: HttpRequest) -> HttpResponse:
    """Ask for a key that was found; a POST revokes it, and says the same whatever it was."""
    form = ReportForm(request.POST or None)
    context = {"form": form, "answer": "", "is_limited": False}
    if request.method != "POST":
        return render(request, "leaks/report_key.html", context)
    if not form.is_valid():
        return render(request, "leaks/report_key.html", context, status=422)
    try:
        limits.take_reports(client_ip(request))
    except RateLimited:
        return render(request, "leaks/report_key.html", context | {"is_limited": True}, status=429)
    reports.report(form.cleaned_data["keys"], form.cleaned_data["where"])
    return render(request, "leaks/report_key.html", {"form": ReportForm(), "answer": reports.ANSWER})
