"""Who looks at a page, and which browser they use."""

from django.http import HttpRequest

from accounts.models import User


def user_of(request: HttpRequest) -> User:
    """Return the signed-in viewer."""
    assert isinstance(request.user, User)
    return request.user
