"""The checklist that leads a newcomer to an image, a key, a call and credits. It ticks itself from what is there."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.models import ApiKey
from billing.models import CreditGrant, Wallet
from generator.models import Generation

COOKIE = "first_steps"
COOKIE_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class Step:
    """One thing to do, where it is done, and whether it is."""

    title: str
    words: str
    link: str
    done: bool


@dataclass(frozen=True)
class Steps:
    """All of them, in the order that makes sense."""

    steps: list[Step]

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def next(self) -> Step | None:
        return next((step for step in self.steps if not step.done), None)


def of(request: HttpRequest, wallet: Wallet) -> Steps | None:
    """Return what is left to do, in one query; None once all is done or the person put the list away."""
    if request.COOKIES.get(COOKIE) == str(wallet.user_id):
        return None
    steps = Steps(_steps(wallet))
    return steps if steps.next else None


def put_away(response: HttpResponse, wallet: Wallet) -> None:
    """Remember in this browser that the person has dismissed the list."""
    response.set_cookie(
        COOKIE,
        str(wallet.user_id),
        max_age=COOKIE_SECONDS,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _steps(wallet: Wallet) -> list[Step]:
    own, keys = Generation.objects.real().filter(wallet=OuterRef("pk")), ApiKey.objects.filter(user=OuterRef("user"))
    emails = EmailAddress.objects.filter(user=OuterRef("user"))
    grants = CreditGrant.objects.filter(wallet=OuterRef("pk"))
    is_there = Wallet.objects.filter(pk=wallet.pk).values_list(
        Exists(own.filter(status=Generation.Status.COMPLETED)),
        Exists(emails),
        Exists(emails.filter(verified=True)),
        Exists(keys),
        Exists(keys.filter(last_used_at__isnull=False)),
        Exists(grants.exclude(source=CreditGrant.Source.WELCOME)),
    )
    image, email, confirmed, key, call, credits = is_there.get()
    steps = [Step("Make an image", "Describe it in the studio.", reverse("create"), image)]
    if email and settings.ACCOUNT_EMAIL_VERIFICATION != "none":
        words = "So that receipts and resets reach you."
        steps.append(Step("Confirm your email", words, reverse("account_email"), confirmed))
    steps += [
        Step("Create an API key", "One for each program.", reverse("api_keys"), key),
        Step("Make a call", "Copy the first request from the docs.", reverse("docs"), call),
    ]
    if settings.PAYMENTS:
        buy = Step("Add credits", "A plan each month, or a pack once.", reverse("billing"), credits)
        steps.insert(len(steps) if wallet.balance or credits else 0, buy)  # without any, nothing else can be done
    return steps
