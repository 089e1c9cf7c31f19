"""Who may log in by an address and a password."""

from allauth.account.auth_backends import AuthenticationBackend as AllauthBackend

from accounts.models import User


class AuthenticationBackend(AllauthBackend):  # type: ignore[misc]  # allauth has no types
    """allauth's own, for whoever has the address now, not for whoever only wants to change to it."""

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        user: User | None = self._check_password(User.objects.find(email), password)
        return user
