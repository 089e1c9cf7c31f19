"""The page on which a file of grants is chosen: a worker checks it, and nothing is granted before that is confirmed."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminFileFieldWidget

from accounts.viewer import user_of
from billing.bulk import drafts, files
from billing.staff import acts


class GrantFileForm(forms.Form):
    """The file."""

    import_file = forms.FileField(
        label="CSV file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
        help_text=f"At most {drafts.MOST_LINES:,} lines and 12 MB. Nothing is granted before you confirm.",
    )

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > drafts.MOST_BYTES:
            raise forms.ValidationError("The file is larger than 12 MB: split it.")
        return file


def may(request: HttpRequest) -> bool:
    """Tell whether the viewer may grant from a file."""
    return acts.may(user_of(request), "grant_any")


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask for the file; a POST takes it in and leads to where it is checked, shown and confirmed."""
    if not may(request):
        raise PermissionDenied
    form = GrantFileForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data["import_file"]
        bulk = drafts.of_file(actor=user_of(request), name=file.name or "A file", content=file.read())
        return redirect("admin:billing_bulk_change", bulk.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "title": "Grant from a CSV",
        "form": form,
        "columns": files.COLUMNS,
    }
    return TemplateResponse(request, "admin/billing/creditgrant/import.html", context)
