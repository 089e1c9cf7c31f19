"""The upstreams: where each is, how it is doing, its test, and how it is taken out and put back."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.decorators import display

from accounts.read_only import breakable, change_url
from accounts.viewer import user_of
from generator.admin.forms import ActForm, UpstreamForm
from generator.admin.rows import StaffAdmin
from generator.jobs import trial
from generator.models import Attempt, Upstream
from generator.upstreams import secret, staff, table
from generator.upstreams.registry import DIALECTS

BADGES: dict[table.Level, str] = {"good": "rw-positive", "wary": "rw-warning", "bad": "rw-danger", "out": ""}


@admin.register(Upstream)
class UpstreamAdmin(StaffAdmin):
    form = UpstreamForm
    list_display = [
        "name",
        "state",
        "success",
        "slowest",
        "in_flight",
        "last_error",
        "balance",
        "key_shown",
        "priority",
    ]
    ordering = ["priority", "pk"]
    once = ["slug"]
    written = ["key", "reason"]
    change_form_before_template = "admin/upstreams/health.html"
    fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        ("How it is reached", {"fields": ["dialect", "base_url", "key_shown", "key", "timeout_seconds"]}),
        ("What goes there", {"fields": [("priority", "weight"), ("max_in_flight", "per_minute"), "may_resend"]}),
        (None, {"fields": ["reason"]}),
    ]
    readonly_fields = ["key_shown"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/test/", view(self._test), name="upstream_test"),
            path("<int:pk>/take-out/", view(self._take_out), name="upstream_take_out"),
            path("<int:pk>/put-back/", view(self._put_back), name="upstream_put_back"),
        ]
        return [*own, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Support sees how an upstream is doing, and not where it is."""
        own = super().get_fieldsets(request, obj)
        if obj is None:
            return [
                (name, {**options, "fields": [each for each in options["fields"] if each != "key_shown"]})
                for name, options in own
            ]
        return own if request.user.has_perm("generator.view_route") else own[:1]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Give each row its line, all of them looked at once."""
        changes = super().get_changelist_instance(request)
        lines = {line.slug: line for line in table.lines()}
        for upstream in changes.result_list:
            upstream.line = lines[upstream.slug]
        return changes

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if request.user.has_perm("generator.view_route"):
            return self.list_display
        return [name for name in self.list_display if name not in ("key_shown", "balance")]

    @method_decorator(sensitive_post_parameters("key"))
    @method_decorator(sensitive_variables())
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show beside the form how the upstream is doing; no error report repeats what was typed."""
        context = dict(extra_context or {})
        found = self.get_object(request, object_id) if object_id else None
        if found is not None and self.has_view_permission(request):
            line = table.line_of(found)
            context |= {
                "line": line,
                "badge": BADGES[line.level],
                "acts": self.has_change_permission(request),
                "upstream": found,
            }
        shown: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return shown

    @display(description="State", ordering="is_active")
    def state(self, upstream: Upstream) -> SafeString:
        line: table.Line = upstream.line  # type: ignore[attr-defined]  # the list adds it to its rows
        return format_html('<span class="rw-badge {}" title="{}">{}</span>', BADGES[line.level], line.why, line.state)

    @display(description="Success", empty_value="–")
    def success(self, upstream: Upstream) -> str | None:
        return upstream.line.rate or None  # type: ignore[attr-defined]  # as above

    @display(description="95 % within", empty_value="–")
    def slowest(self, upstream: Upstream) -> str | None:
        return upstream.line.slowest or None  # type: ignore[attr-defined]  # as above

    @display(description="In flight")
    def in_flight(self, upstream: Upstream) -> str:
        count: int = upstream.line.in_flight  # type: ignore[attr-defined]  # as above
        return f"{count:,} of {upstream.max_in_flight:,}" if upstream.max_in_flight else f"{count:,}"

    @display(description="Last error", empty_value="–")
    def last_error(self, upstream: Upstream) -> SafeString | None:
        words: str = upstream.line.last_error  # type: ignore[attr-defined]  # as above
        return breakable(words) if words else None

    @display(description="Left there", empty_value="–")
    def balance(self, upstream: Upstream) -> str | None:
        return upstream.line.balance or None  # type: ignore[attr-defined]  # as above

    @display(description="Key now")
    def key_shown(self, upstream: Upstream) -> SafeString | str:
        key = secret.told(upstream.secret)
        return format_html('<code class="rw-code">{}</code>', key) if ":" in key else key

    def _take_out(self, request: HttpRequest, pk: int) -> HttpResponse:
        upstream = self._asked(request, pk)
        left = staff.left_without(upstream=upstream)
        busy = Attempt.objects.alive().filter(upstream=upstream).count()
        facts = [f"Jobs that it has taken are still fetched: {busy:,} now."] if busy else []
        if left:
            what = "; ".join(f"{route.model}, {route.get_operation_display().lower()}" for route in left)
            waiting = staff.waiting({route.model for route in left})
            facts += [f"Nothing else draws this, and requests for it are refused from then on: {what}."]
            facts += (
                [f"{waiting:,} image{' waits' if waiting == 1 else 's wait'} until it is put back."] if waiting else []
            )
        act = {
            "title": "Take out",
            "note": "No more jobs are sent there until it is put back.",
            "facts": facts,
            "obstacle": "" if upstream.is_active else "It is out already.",
            "danger": True,
        }
        return self._answer(request, upstream, act, staff.take_out, "is out: no more jobs are sent there.")

    def _put_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        upstream = self._asked(request, pk)
        line = table.line_of(upstream)
        act = {
            "title": "Put back",
            "note": "Jobs are sent there again at once. Put it back when what kept it out is mended.",
            "facts": [f"{line.state}. {line.why}".strip()],
            "obstacle": "Jobs are sent there." if line.draws else line.why if line.state == "No key" else "",
        }
        return self._answer(request, upstream, act, staff.put_back, "is back: jobs are sent there again.")

    def _answer(
        self, request: HttpRequest, upstream: Upstream, act: dict[str, Any], do: Any, done: str
    ) -> HttpResponse:
        """Show what an act does; a form that says why does it."""
        form = ActForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and not act["obstacle"] and form.is_valid():
            if do(actor=user_of(request), upstream=upstream, reason=form.cleaned_data["reason"]):
                messages.success(request, f"{upstream} {done}")
            return redirect(change_url(upstream))
        context = {**self._context(request, upstream), **act, "form": form}
        return TemplateResponse(request, "admin/upstreams/act.html", context)

    def _test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Name what a test costs, and make it when that is confirmed; the answer is shown, and kept nowhere."""
        upstream = self._asked(request, pk)
        dialect = DIALECTS.get(upstream.dialect)
        cost = trial.cost_of(trial.cheapest(upstream))
        form = ActForm({"reason": "Test", **request.POST.dict()} if request.method == "POST" else None)
        what = request.POST.get("what", "")
        outcome = None
        if request.method == "POST" and form.is_valid() and what in ("balance", "image"):
            if what == "image" and request.POST.get("confirmed") != cost:
                messages.warning(request, "What a test costs has changed. Look at it again.")
                return redirect("admin:upstream_test", pk)
            nonce = form.cleaned_data["nonce"]
            told = cost if what == "image" else ""
            if not staff.note_test(actor=user_of(request), upstream=upstream, what=what, cost=told, nonce=nonce):
                messages.info(request, "This test was made before. Press the button to make another.")
                return redirect("admin:upstream_test", pk)
            outcome = trial.run(upstream, "balance" if what == "balance" else "image")
        context = {
            **self._context(request, upstream),
            "title": "Test",
            "cost": cost,
            "tells_balance": bool(dialect and dialect.can.tells_balance),
            "prompt": trial.PROMPT,
            "seconds": int(trial.SECONDS),
            "outcome": outcome,
            "form": ActForm(),
        }
        return TemplateResponse(request, "admin/upstreams/test.html", context)

    def _asked(self, request: HttpRequest, pk: int) -> Upstream:
        if not self.has_change_permission(request):
            raise PermissionDenied
        upstream = Upstream.objects.filter(pk=pk).first()
        if upstream is None:
            raise Http404
        return upstream

    def _context(self, request: HttpRequest, upstream: Upstream) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "subtitle": upstream.name,
            "upstream": upstream,
            "back": change_url(upstream),
        }
