"""Account → Security: what opens the account. allauth's own pages change each of it."""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.viewer import user_of


@login_required
@never_cache
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """List the password, passkeys, the authenticator app and recovery codes."""
    user = user_of(request)
    found = list(Authenticator.objects.filter(user=user).order_by("pk"))
    codes = next((one.wrap() for one in found if one.type == Authenticator.Type.RECOVERY_CODES), None)
    context = {
        "has_password": user.has_usable_password(),
        "passkeys": [one for one in found if one.type == Authenticator.Type.WEBAUTHN],
        "app": next((one for one in found if one.type == Authenticator.Type.TOTP), None),
        "codes": codes,
        "codes_left": len(codes.get_unused_codes()) if codes else 0,
        "is_protected": any(one.type != Authenticator.Type.RECOVERY_CODES for one in found),
        "connected": SocialAccount.objects.filter(user=user).count(),
    }
    return render(request, "account/security.html", context)
