"""Rules for prompts, and a field to try them out before somebody meets them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from accounts.read_only import breakable
from generator.admin.forms import StaffForm
from generator.admin.rows import StaffAdmin
from generator.ask import rules
from generator.models import PROMPT_MAX_LENGTH, ImageModel, PromptRule

LATEST = 200  # prompts that a rule is tried on


class RuleForm(StaffForm):
    """A rule; what could not be looked for is refused in words."""

    only_models = forms.MultipleChoiceField(
        required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text="None ticked: all models."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(model.slug, model.name) for model in ImageModel.objects.all()]
        self.fields["only_models"].choices = known  # type: ignore[attr-defined]  # typed as any field

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("text") and (words := rules.problem(data.get("kind", ""), data["text"])):
            self.add_error("text", ValidationError(words))
        return data


class TryForm(forms.Form):
    """A prompt to try the rules on."""

    prompt = forms.CharField(
        max_length=PROMPT_MAX_LENGTH, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "autofocus": True})
    )


@admin.register(PromptRule)
class PromptRuleAdmin(StaffAdmin):
    empty_title = "Every prompt is taken"
    empty_words = (
        "A rule names words or a pattern that nobody may ask for. What breaks it is refused before anything is charged."
    )
    add_words = "Add a rule"
    form = RuleForm
    list_display = ["text_shown", "kind", "where", "message", "hits", "last_hit_at", "in_use"]
    list_filter = ["kind", "is_active"]
    ordering = ["-is_active", "-pk"]
    readonly_fields = ["hits", "last_hit_at", "tried"]
    written = ["reason", "confirm"]
    fieldsets = [
        (None, {"fields": ["kind", "text", "where", "only_models", "message", "note", "is_active", "confirm"]}),
        ("What it does", {"fields": ["hits", "last_hit_at", "tried"]}),
        (None, {"fields": ["reason"]}),
    ]
    change_list_template = "admin/rules/list.html"

    def get_urls(self) -> list[URLPattern]:
        return [path("try/", self.admin_site.admin_view(self._try), name="promptrule_try"), *super().get_urls()]

    def _try(self, request: HttpRequest) -> HttpResponse:
        """Say which rules a prompt breaks, those out of use as well, and how many of the latest each would refuse."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = TryForm(request.POST if request.method == "POST" else None)
        rows = list(PromptRule.objects.order_by("-is_active", "-pk"))
        broken: list[PromptRule] | None = None
        if request.method == "POST" and form.is_valid():
            prompt = form.cleaned_data["prompt"]
            found = rules.Rules(rules=tuple(rules.compiled(rows)))
            models = {"", *ImageModel.objects.values_list("slug", flat=True)}
            keys = {rule.pk for model in models for rule, _ in found.breaking(prompt, prompt, model)}
            broken = [row for row in rows if row.pk in keys]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": "Try out the rules",
            "form": form,
            "broken": broken,
            "back": reverse("admin:generator_promptrule_changelist"),
            "refused": rules.would_refuse([row for row in rows if row.is_active], LATEST),
        }
        return TemplateResponse(request, "admin/rules/try.html", context)

    @display(description="Text", ordering="text")
    def text_shown(self, rule: PromptRule) -> Any:
        return breakable(str(rule))

    @display(description="Of the latest prompts")
    def tried(self, rule: PromptRule) -> str:
        """How many of the latest prompts it would have refused."""
        if rule.pk is None:
            return "–"
        refused, seen = rules.would_refuse([rule], LATEST)
        return f"{refused:,} of {seen:,} would have been refused" if seen else "There are none yet"
