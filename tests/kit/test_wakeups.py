"""What a transaction has to tell is told once, when it is committed."""

import json
import os
from itertools import chain
from typing import Any

import pytest
import redis
from django.db import transaction

from kit import wakeups

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is published: the topics of each message."""
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(wakeups, "publish", lambda *topics: sent.append(topics))
    return sent


def test_all_topics_of_a_transaction_go_together_and_each_once(woken: list[tuple[str, ...]]) -> None:
    with transaction.atomic():
        wakeups.publish_on_commit("a", "b")
        with transaction.atomic():
            wakeups.publish_on_commit("b", "c")
        wakeups.publish_on_commit("a")
        assert woken == []
    assert woken == [("a", "b", "c")]


def test_nobody_is_told_of_what_was_undone(woken: list[tuple[str, ...]]) -> None:
    with transaction.atomic():
        wakeups.publish_on_commit("a")
        transaction.set_rollback(True)
    with transaction.atomic():
        with transaction.atomic():
            wakeups.publish_on_commit("a")
            transaction.set_rollback(True)
        wakeups.publish_on_commit("b")
    assert woken == [("b",)]


def test_without_a_transaction_it_is_told_at_once(woken: list[tuple[str, ...]]) -> None:
    wakeups.publish_on_commit("a")
    wakeups.publish_on_commit("a")
    assert woken == [("a",), ("a",)]


def test_a_hundred_in_a_row_are_a_few_messages() -> None:
    assert wakeups.flush(60)
    server: Any = redis.Redis.from_url(os.environ["REDIS_URL"])
    with server.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(wakeups.channel())
        listener.get_message(timeout=60)
        for number in range(100):
            wakeups.publish(f"topic:{number}")
        assert wakeups.flush(60)
        messages: list[list[str]] = []
        while sum(map(len, messages)) < 100:
            message = listener.get_message(timeout=60)
            assert message, messages
            messages.append(json.loads(message["data"]))
    assert list(chain(*messages)) == [f"topic:{number}" for number in range(100)]
    assert len(messages) < 50
