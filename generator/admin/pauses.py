"""Pauses of intake: begun with what people will read, and ended, each on record."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.read_only import ReadOnlyAdmin, link
from accounts.viewer import user_of
from billing.staff.acts import REASON_MAX_LENGTH
from generator.admin.forms import ActForm
from generator.ask import pausing
from generator.models import ImageModel, Pause
from generator.upstreams import staff

LENGTHS = {"15": "15 minutes", "60": "An hour", "240": "4 hours", "1440": "A day", "": "Until I end it"}  # minutes


class PauseForm(forms.Form):
    """What to pause, for how long, and what is said of it."""

    model = forms.ModelChoiceField(
        ImageModel.objects.all(),
        required=False,
        empty_label="All models",
        label="What",
        widget=UnfoldAdminSelectWidget,
        help_text="What is being drawn or waits already is finished.",
    )
    minutes = forms.ChoiceField(
        choices=list(LENGTHS.items()), required=False, label="For", widget=UnfoldAdminSelectWidget, initial="60"
    )
    message = forms.CharField(
        max_length=Pause.MESSAGE_MAX_LENGTH,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="What people read in the studio and programs in the error, as in: We are moving to a larger machine.",
    )
    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH, widget=UnfoldAdminTextInputWidget, help_text="Kept in the audit records."
    )

    @property
    def until(self) -> datetime | None:
        """When it ends by itself."""
        minutes = self.cleaned_data["minutes"]
        return timezone.now() + timedelta(minutes=int(minutes)) if minutes else None


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    empty_title = "Intake is open"
    empty_words = (
        "New images are taken. Pause it for work on the machine: what is under way is finished, and nothing is charged."
    )
    add_words = "Pause intake"
    list_display = ["what", "state", "message", "since", "until", "act"]
    list_select_related = ["model"]
    ordering = ["model__order", "pk"]
    fields = ["what", "state", "message", "since", "until"]
    readonly_fields = ["what", "state"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("generator.add_pause"))

    def get_urls(self) -> list[URLPattern]:
        end = self.admin_site.admin_view(self._end)
        return [path("<int:pk>/end/", end, name="pause_end"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Offer to end a pause to whoever may, and say when one ends by the reader's own clock."""
        shown = [self.in_own_time(name, "exact" if name == "until" else "ago") for name in self.list_display]
        return shown if request.user.has_perm("generator.delete_pause") else shown[:-1]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Pause intake as a form says; of what is paused already it changes message and end."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PauseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            said = {"model": data["model"], "message": data["message"], "reason": data["reason"]}
            made = pausing.pause(actor=user_of(request), until=form.until, **said)
            messages.success(request, f"Paused: {made}. It holds everywhere within a second.")
            return redirect("admin:generator_pause_changelist")
        context = {
            **self._context(request),
            "title": "Pause intake",
            "form": form,
            "waiting": staff.waiting(),
        }
        return TemplateResponse(request, "admin/upstreams/pause.html", context)

    def _end(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("generator.delete_pause"):
            raise PermissionDenied
        pause = Pause.objects.select_related("model").filter(pk=pk).first()
        if pause is None:
            raise Http404
        form = ActForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            if pausing.resume(actor=user_of(request), pk=pk, reason=form.cleaned_data["reason"]):
                messages.success(request, f"{pause}: new images are taken on again.")
            return redirect("admin:generator_pause_changelist")
        holds = pause.holds(timezone.now())
        title = "Resume intake" if holds else "Remove the pause"
        context = {**self._context(request), "title": title, "pause": pause, "holds": holds, "form": form}
        return TemplateResponse(request, "admin/upstreams/pause_end.html", context)

    @display(description="What")
    def what(self, pause: Pause) -> str:
        return str(pause)

    @display(description="State", label={"Paused": "warning", "Over": ""})
    def state(self, pause: Pause) -> str:
        return "Paused" if pause.holds(timezone.now()) else "Over"

    @display(description="")
    def act(self, pause: Pause) -> SafeString:
        words = "Resume …" if pause.holds(timezone.now()) else "Remove …"
        return link(reverse("admin:pause_end", args=[pause.pk]), words)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "back": reverse("admin:generator_pause_changelist"),
        }
