"""Reports of shared images: what somebody says is wrong, the image, and what is done about it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.many_rows import ManyRows
from accounts.models import User
from accounts.read_only import ReadOnlyAdmin, link, person
from accounts.viewer import user_of
from billing.staff import roles
from generator.admin.forms import ActForm
from generator.library import reports, showcase
from generator.models import Generation, Report
from generator.pages.cards import picture_of
from kit.text import counted

OWNERS_WORDS = "It was reported, and goes against the rules of this site."


class State(admin.SimpleListFilter):
    """Open ones, or those that staff have looked at."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.filter(closed_at=None)
        return queryset.exclude(closed_at=None) if self.value() == "closed" else queryset


class TakeDownForm(ActForm):
    """Why, for the records, and what the image's owner reads."""

    words = forms.CharField(
        max_length=500,
        initial=OWNERS_WORDS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label="What its owner is told",
    )
    field_order = ["nonce", "words", "reason"]


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    empty_title = "Nobody has reported an image"
    empty_words = (
        "Anybody can, on the page of a shared image and on Explore. You keep such an image here, take it down or "
        "suspend its owner; each is recorded."
    )
    list_display = ["thumbnail", "reason", "said", "whose", "state", "created_at", "act"]
    list_display_links = ["thumbnail", "reason"]
    list_filter = [State, "reason", "created_at"]
    list_select_related = ["generation__wallet__user"]
    ordering = ["-created_at", "-id"]
    many_rows = ManyRows("created_at", indexed=("state",))
    linked_lookups = frozenset({"generation__id__exact"})
    search_fields = ["=generation__public_id"]
    search_help_text = "An image's id (img_…)."
    fields = ["image", "reason", "words", "email", "whose", "state", "created_at", "closed_at", "others", "act"]
    readonly_fields = ["image", "whose", "state", "others", "act"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/keep/", view(self._keep), name="report_keep"),
            path("<int:pk>/take-down/", view(self._take_down), name="report_take_down"),
            path("<int:pk>/allow/", view(self._allow), name="report_allow"),
        ]
        return [*own, *super().get_urls()]

    def _keep(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._asked(request, pk)
        act = {"title": "Keep", "note": "The image stays as it is, and its open reports are closed. Nobody is told."}

        def do(form: ActForm) -> str:
            closed = reports.keep(
                actor=user_of(request), generation=report.generation, reason=form.cleaned_data["reason"]
            )
            return f"Kept, and {closed} report{'' if closed == 1 else 's'} closed." if closed else ""

        return self._answer(request, report, act, ActForm, do)

    def _take_down(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._asked(request, pk)
        act = {
            "title": "Take down",
            "note": "Its public link and its permanent address end for everybody else, it leaves Explore, and its "
            "owner cannot share it again. They keep it in their gallery, and are told by mail.",
            "danger": True,
        }

        def do(form: ActForm) -> str:
            data = form.cleaned_data
            down = reports.take_down(
                actor=user_of(request), generation=report.generation, reason=data["reason"], words=data["words"]
            )
            return "Taken down, and its owner is told." if down else ""

        return self._answer(request, report, act, TakeDownForm, do)

    def _allow(self, request: HttpRequest, pk: int) -> HttpResponse:
        report = self._asked(request, pk)
        act = {"title": "Allow again", "note": "Its owner may share it again; they are not told."}

        def do(form: ActForm) -> str:
            done = reports.allow(
                actor=user_of(request), generation=report.generation, reason=form.cleaned_data["reason"]
            )
            return "Its owner may share it again." if done else ""

        return self._answer(request, report, act, ActForm, do)

    def _answer(
        self, request: HttpRequest, report: Report, act: dict[str, Any], kind: type[ActForm], do: Any
    ) -> HttpResponse:
        form = kind(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            if words := do(form):
                messages.success(request, words)
            return redirect("admin:generator_report_change", report.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "report": report,
            "picture": _shown(report.generation),
            "back": reverse("admin:generator_report_change", args=[report.pk]),
            "form": form,
            **act,
        }
        return TemplateResponse(request, "admin/reports/act.html", context)

    def _asked(self, request: HttpRequest, pk: int) -> Report:
        if not isinstance(request.user, User) or not showcase.may_take_off(request.user):
            raise PermissionDenied
        report = Report.objects.filter(pk=pk).select_related("generation__wallet__user").first()
        if report is None:
            raise Http404
        if roles.out_of_reach(request.user, report.generation.wallet.user):
            raise PermissionDenied
        return report

    @display(description="")
    def thumbnail(self, report: Report) -> SafeString | str:
        return _shown(report.generation, "rw-thumbnail", is_link=True)

    @display(description="Image")
    def image(self, report: Report) -> SafeString | str:
        where = reverse("admin:generator_generation_change", args=[report.generation_id])
        return format_html("{}<br>{}", _shown(report.generation), link(where, report.generation.public_id))

    @display(description="Words")
    def said(self, report: Report) -> str:
        return report.words[:120] or "–"

    @display(description="Whose")
    def whose(self, report: Report) -> SafeString:
        return person(report.generation.wallet.user)

    @display(description="State", label={"Open": "warning", "Kept": "success", "Taken down": "danger"})
    def state(self, report: Report) -> str:
        return report.get_outcome_display() if report.closed_at else "Open"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:
        of_it = Report.objects.filter(generation=OuterRef("generation")).order_by().values("generation")
        count = of_it.annotate(count=Count("pk")).values("count")
        rows: QuerySet[Report] = super().get_queryset(request)
        return rows.annotate(of_image=Subquery(count))

    @display(description="Of this image")
    def others(self, report: Report) -> SafeString:
        where = f"{reverse('admin:generator_report_changelist')}?generation__id__exact={report.generation_id}"
        return link(where, counted(report.of_image, "report"))  # type: ignore[attr-defined]  # annotated

    @display(description="Do")
    def act(self, report: Report) -> SafeString | str:
        """What may be done now: who may not is told so by each act's own page."""
        one = report.generation
        ways = (
            [("report_take_down", "Take down …")] if one.taken_down_at is None else [("report_allow", "Allow again …")]
        )
        if report.closed_at is None:
            ways.insert(0, ("report_keep", "Keep …"))
        links = [link(reverse(f"admin:{name}", args=[report.pk]), words) for name, words in ways]
        if report.of_image > 1:  # type: ignore[attr-defined]  # the list adds it
            links.insert(0, self.others(report))
        links.append(link(reverse("admin:person_suspend", args=[one.wallet.user_id]), "Suspend its owner …"))
        return SafeString(" · ".join(links))


def _shown(generation: Generation, css_class: str = "rw-preview", *, is_link: bool = False) -> SafeString | str:
    """Return the picture, blurred until somebody points at it or gives it the focus, which a link has by itself."""
    if generation.status != Generation.Status.COMPLETED or generation.purged_at:
        return "–"
    picture = picture_of(generation)
    return format_html(
        '<span class="rw-veiled"{}><img class="{}" src="{}" alt="The reported image" width="{}" height="{}" '
        'loading="lazy"></span>',
        "" if is_link else SafeString(' tabindex="0"'),
        css_class,
        picture.src,
        picture.width,
        picture.height,
    )
