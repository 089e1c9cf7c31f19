"""What is over goes at night: sessions, allauth's rows of them, events that were ignored."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import sessions
from accounts.models import User
from billing import tasks
from billing.models import StripeEvent
from kit import pages
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(user: User) -> str:
    client = Client()
    assert client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}).status_code == 302
    return str(client.session.session_key)


def age(days: int, **rows: str) -> None:
    UserSession.objects.filter(**rows).update(created_at=timezone.now() - timedelta(days=days))


@pytest.mark.services
def test_sessions_that_are_over_go_and_the_others_stay(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "BREATH_SECONDS", 0)
    over, lives = log_in(alice), log_in(alice)
    Session.objects.filter(pk=over).update(expire_date=timezone.now() - timedelta(seconds=1))
    many = [Session(pk=f"s{n}", session_data="", expire_date=timezone.now()) for n in range(1100)]
    Session.objects.bulk_create(many)
    age(30)
    tasks.tidy()
    assert list(Session.objects.values_list("pk", flat=True)) == [lives]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == [lives]
    assert len(sessions.of(alice, lives)) == 1


def test_a_log_in_whose_session_is_not_stored_yet_keeps_its_row(alice: User) -> None:
    key = log_in(alice)
    Session.objects.all().delete()
    sessions.clear_expired()
    assert UserSession.objects.filter(session_key=key).exists()
    age(2, session_key=key)
    assert sessions.clear_expired() == 1


def test_events_that_were_ignored_go_after_a_term_and_the_others_never() -> None:
    old, now = timezone.now() - timedelta(days=91), timezone.now()
    for name, ignored, at in (("theirs", "another site's", old), ("lately", "another site's", now), ("ours", "", old)):
        StripeEvent.objects.create(id=name, type="x", payload={}, ignored=ignored, received_at=at, handled_at=at)
    tasks.tidy()
    assert set(StripeEvent.objects.values_list("pk", flat=True)) == {"lately", "ours"}
