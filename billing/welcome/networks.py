"""How many people of one network are welcomed on a day: a row that counts, so that the last one is decided once.

Only networks of the public internet count. Where a proxy is not trusted (`TRUSTED_PROXIES`), everybody comes from its
private address, and a limit would hold back whoever came after the first few.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from billing.models import WelcomeDay
from kit.http import addresses
from kit.http.requests import client_ip

DAYS_KEPT = timedelta(days=2)  # of what is counted
NETWORK_KEPT = timedelta(days=30)  # of where somebody signed up from
# All whose network is forgotten count as one: else whoever was held back had only to wait, and to change the address.
FORGOTTEN = "forgotten"


def of(request: HttpRequest) -> str:
    """Return the network that counts for whoever signs up with `request`, "" where none does."""
    ip = client_ip(request) if settings.WELCOME_CREDITS and settings.WELCOME_PER_NETWORK_PER_DAY else None
    return addresses.network_of(ip) if ip and addresses.is_public(ip) else ""


def take_place(network: str) -> bool:
    """Take one of the network's places of today, and tell whether there was one.

    It belongs into the transaction that gives the credits: what undoes that gives the place back.
    """
    most = settings.WELCOME_PER_NETWORK_PER_DAY
    if not network or not most:
        return True
    day = timezone.now().date()
    WelcomeDay.objects.bulk_create([WelcomeDay(network=network, day=day)], ignore_conflicts=True)
    today = WelcomeDay.objects.filter(network=network, day=day, given__lt=most)
    return bool(today.update(given=F("given") + 1))


def tidy() -> None:
    """Forget the counts of earlier days, and where people signed up from who have been here for long."""
    now = timezone.now()
    WelcomeDay.objects.filter(day__lt=(now - DAYS_KEPT).date()).delete()
    long_here = User.objects.filter(date_joined__lt=now - NETWORK_KEPT).exclude(signup_network__in=("", FORGOTTEN))
    long_here.update(signup_network=FORGOTTEN)
