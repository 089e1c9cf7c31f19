"""Switching a kind of mail off by the link in it, without logging in: the link's signature is the permission."""

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.models import User

SALT = "unsubscribe"

# The preference on `User` and what it is called.
KINDS = {"mail_receipts": "receipts and renewals", "mail_low_balance": "low balance"}


def path_for(user: User, kind: str) -> str:
    """Return the path of the page where `user` can switch mails of `kind` off."""
    return reverse("unsubscribe", args=[signing.dumps([user.pk, kind], salt=SALT)])


@csrf_exempt  # mail programs post here without the person (RFC 8058); the token is what counts
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether to stop; a POST does it. A GET changes nothing, because mail scanners open every link."""
    try:
        pk, kind = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError):
        return render(request, "accounts/unsubscribe.html", {"state": "unknown"}, status=404)
    if request.method == "POST":
        User.objects.filter(pk=pk).update(**{kind: False})
    state = "done" if request.method == "POST" else "ask"
    return render(request, "accounts/unsubscribe.html", {"state": state, "kind": KINDS[kind]})
