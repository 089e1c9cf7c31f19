"""What every template may know."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from billing import ledger


def site(request: HttpRequest) -> dict[str, Any]:
    """Give the site's name, whether it is a sandbox, and the signed-in person's balance (looked up only when shown)."""

    def balance() -> int | None:
        user = getattr(request, "user", None)
        return ledger.account_of(user.pk).balance if user is not None and user.is_authenticated else None

    return {"SITE_NAME": settings.SITE_NAME, "SANDBOX": settings.SANDBOX, "credit_balance": balance}
