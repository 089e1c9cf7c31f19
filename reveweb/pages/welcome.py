"""What somebody is told whose welcome credits have not come."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from accounts import emails
from billing.models import HeldWelcome, Wallet
from billing.welcome import holding

Reason = HeldWelcome.Reason


@dataclass(frozen=True)
class Notice:
    """A title, a sentence, and a button that leads on; `url` is "" where there is nothing to press."""

    title: str
    words: str
    url: str = ""
    button: str = ""


def notice(wallet: Wallet) -> Notice | None:
    """Return what to say to the owner of an empty wallet whose welcome credits wait or were held back."""
    if not settings.WELCOME_CREDITS:
        return None
    if held := holding.standing(wallet):
        return _held(held)
    has_none = not wallet.entries.exists()
    if has_none and not emails.is_confirmed(wallet.user):
        words = (
            f"Open the link that we mailed to {wallet.user.email}. {_credits(settings.WELCOME_CREDITS)} come with it."
        )
        return Notice(
            "Confirm your address to get your free credits.", words, reverse("account_email"), "Send the link again"
        )
    return None


def _held(held: HeldWelcome) -> Notice:
    if held.reason == Reason.DISPOSABLE:
        words = f"Change to an address that you keep and confirm it: {_credits(held.credits)} come with that."
        return Notice(
            "Addresses like yours come without free credits.", words, reverse("account_email"), "Change your address"
        )
    if held.reason == Reason.MAILBOX:
        return Notice("This mailbox has had its free credits.", "They come once, with the first account.")
    support = f" Write to {settings.SUPPORT_EMAIL} if you think that is wrong." if settings.SUPPORT_EMAIL else ""
    return Notice("Your free credits were held back.", f"Many people got theirs on your network that day.{support}")


def _credits(count: int) -> str:
    return f"{count:,} free credit{'' if count == 1 else 's'}"
