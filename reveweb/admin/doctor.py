"""The doctor as a page: what is wrong with this installation, worst first, each with its cause and its cure."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from reveweb.doctor import kept, telling
from reveweb.doctor.findings import Examined, Finding, Level

PERMISSION = "generator.change_upstream"  # of whoever runs the machinery: cures name hosts, ports and folders
BADGES = {Level.FAULT: "rw-danger", Level.WARNING: "rw-warning", Level.NOTE: "rw-info", Level.OK: "rw-positive"}


@dataclass(frozen=True)
class Line:
    """A finding as the page shows it."""

    finding: Finding
    cause: str

    @property
    def badge(self) -> str:
        """The class of its level."""
        return BADGES[self.finding.level]

    @property
    def word(self) -> str:
        """Its level."""
        return self.finding.level.name.capitalize()


@dataclass(frozen=True)
class Group:
    """A concern: what is not well there, worst first, and what is."""

    concern: str
    ill: list[Line]
    well: list[Line]


def may_see(request: HttpRequest) -> bool:
    """Tell whether the viewer runs the machinery."""
    return bool(request.user.has_perm(PERMISSION))


def page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Show what was found, or what is found so far; a POST looks again. Whoever asks for news gets that part alone."""
    if not may_see(request):
        raise PermissionDenied
    if request.method == "POST":
        kept.begin()
        return redirect("admin:doctor")
    known = kept.latest()
    if known is None and kept.begin():
        known = kept.latest()
    groups = _groups(known.examined) if known else []
    context = {
        "known": known,
        "groups": groups,
        "well": [group for group in groups if not group.ill],
        "summary": telling.summary(known.examined) if known else "",
        "share": round(100 * known.looked_at / max(1, known.total)) if known else 0,
    }
    if request.headers.get("HX-Request"):
        return TemplateResponse(request, "admin/doctor/found.html", context)
    around = {**admin.admin_site.each_context(request), "media": admin.media, "title": "Doctor"}
    return TemplateResponse(request, "admin/doctor/page.html", {**around, **context})


def _groups(examined: list[Examined]) -> list[Group]:
    found: dict[str, list[Line]] = {}
    for each in examined:
        lines = [Line(finding, finding.cause or each.asks) for finding in each.findings]
        found.setdefault(each.concern, []).extend(lines or [Line(Finding(each.check, Level.OK, ""), each.asks)])
    groups = [
        Group(
            concern.capitalize(),
            sorted((line for line in lines if line.finding.level), key=lambda line: -line.finding.level),
            [line for line in lines if not line.finding.level],
        )
        for concern, lines in found.items()
    ]
    return sorted(groups, key=lambda group: -max((line.finding.level for line in group.ill), default=Level.OK))
