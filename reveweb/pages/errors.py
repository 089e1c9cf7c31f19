"""The error pages."""

import sys

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from kit import request_id
from kit.postgresql import outage


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400; in plain words for another site's name, where a page would have no links that lead anywhere."""
    if isinstance(exception, DisallowedHost):
        return HttpResponse(
            "That request can’t be read: there is no site of that name here.",
            status=400,
            content_type="text/plain; charset=utf-8",
        )
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    return render(request, "errors/403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, rendered without session, database or static files' manifest: any of them may be what broke.

    503 when it is the database, which may be back in a moment.
    """
    is_outage = outage.is_outage(sys.exc_info()[1])
    context = {
        "SITE_NAME": settings.SITE_NAME,
        "LOGO_TEXT": settings.LOGO_TEXT,
        "STATIC_URL": settings.STATIC_URL,
        "SUPPORT_EMAIL": settings.SUPPORT_EMAIL,
        "STATUS_URL": settings.STATUS_URL,
        "REQUEST_ID": request_id.current.get(),
        "IS_OUTAGE": is_outage,
    }
    response = HttpResponse(render_to_string("errors/500.html", context), status=503 if is_outage else 500)
    if is_outage:
        response["Retry-After"] = str(outage.RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    return response
