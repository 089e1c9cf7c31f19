"""Dashboard → API Keys."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse


@login_required
def api_keys(request: HttpRequest) -> HttpResponse:
    """List, create and revoke keys."""
    return HttpResponse("keys")


@login_required
def revoke_api_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one of one's own keys."""
    return HttpResponse("revoke")
