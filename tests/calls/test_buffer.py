"""Calls on their way into the database: nothing waits for it, and as little as can be is lost."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError
from django.utils import timezone

from billing.models import Wallet
from generator.calls import buffer, words
from generator.calls.buffer import Buffer
from generator.calls.seen import Seen
from generator.calls.writing import write
from generator.models import ApiCall
from kit.postgresql.outage import DatabaseAway
from tests.conftest import Api


def call(number: int, *, method: str = "POST", path: str = "/v1/reve-image/generate", status: int = 202) -> Seen:
    return Seen(
        request_id=f"req_{number}", wallet_id=1, api_key_id=1, key_prefix="rv_test", key_digest="", is_test=False,
        method=method, path=path, status=status, duration_ms=1, credits=1, ip=None, user_agent="", at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "PACE_SECONDS", 0.02)


Written = list[list[Seen]]


def gathering(written: Written) -> Callable[[list[Seen]], None]:
    return lambda calls: written.append(list(calls))


def test_all_is_written_once_in_its_order_and_at_most_so_many_together(quick: None) -> None:
    written: Written = []
    log = Buffer(gathering(written))
    for number in range(450):
        log.put(call(number))
    assert log.flush(60)
    assert [one.request_id for batch in written for one in batch] == [f"req_{number}" for number in range(450)]
    assert max(map(len, written)) <= buffer.AT_ONCE


def test_many_are_written_without_waiting_for_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "PACE_SECONDS", 600.0)
    came = threading.Event()
    log = Buffer(lambda calls: came.set())
    for number in range(buffer.AT_ONCE):
        log.put(call(number))
    assert came.wait(60)


def test_what_there_is_no_room_for_is_dropped_and_counted(
    quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(buffer, "MOST", 5)
    written: Written = []
    log = Buffer(gathering(written))
    monkeypatch.setattr(log, "_start", lambda: None)
    for number in range(12):
        log.put(call(number))
    monkeypatch.undo()
    log._start()
    with caplog.at_level(logging.WARNING):
        assert log.flush(60)
    assert sum(map(len, written)) == 5
    assert "7 API calls are missing" in caplog.text


def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "MOST_BYTES", 10_000)
    log = Buffer(lambda calls: None)
    monkeypatch.setattr(log, "_start", lambda: None)
    for number in range(100):
        log.put(call(number))
    assert 0 < log.forget() < 10


def test_calls_wait_while_the_database_is_away(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    written: Written = []
    tries = [DatabaseAway("away")] * 3

    def away(calls: list[Seen]) -> None:
        if tries:
            raise tries.pop()
        written.append(list(calls))

    log = Buffer(away)
    log.put(call(1))
    assert log.flush(60)
    assert [one.request_id for batch in written for one in batch] == ["req_1"]
    assert not caplog.text


def test_they_are_given_up_after_a_while_with_one_warning(
    quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(buffer, "PATIENCE_SECONDS", 0.3)

    def away(calls: list[Seen]) -> None:
        raise DatabaseAway("away")

    log = Buffer(away)
    with monkeypatch.context() as not_yet:
        not_yet.setattr(log, "_start", lambda: None)  # all of them are there when the time begins
        for number in range(500):
            log.put(call(number))
    log._start()
    with caplog.at_level(logging.WARNING):
        assert log.flush(60)
    assert [record.getMessage()[:30] for record in caplog.records] == ["500 API calls are missing in t"]
    assert log.forget() == 0


def test_putting_never_waits_for_a_database_that_hangs(quick: None) -> None:
    hangs = threading.Event()

    def hang(calls: list[Seen]) -> None:
        hangs.wait(120)

    log = Buffer(hang)
    began = time.perf_counter()
    for number in range(buffer.MOST + 1000):
        log.put(call(number))
    assert time.perf_counter() - began < 30
    assert not log.flush(0.1)
    hangs.set()


def test_look_ups_wait_for_their_window_and_go_at_the_end(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    written: Written = []
    log = Buffer(gathering(written))
    for number in range(1000):
        log.put(call(number, method="GET", path=f"/v1/reve-image/status/{number % 3}", status=200))
    time.sleep(0.1)
    assert written == []
    assert log.flush(60)
    assert sorted(one.count for batch in written for one in batch) == [333, 333, 334]
    monkeypatch.setattr(buffer, "WINDOW_SECONDS", 0.05)
    log.put(call(1, method="GET", status=200))
    until = time.monotonic() + 60
    while len(written) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(written) == 2


def test_refused_look_ups_have_rows_of_their_own(quick: None) -> None:
    written: Written = []
    log = Buffer(gathering(written))
    for number in range(4):
        log.put(call(number, method="GET", status=404))
    assert log.flush(60)
    assert [one.count for batch in written for one in batch] == [1] * 4


def test_refusals_beyond_some_in_a_minute_are_counted_by_their_status(quick: None) -> None:
    written: Written = []
    log = Buffer(gathering(written))
    for number in range(5000):
        refused = call(number, path=f"/v1/{number}", status=(401, 404, 422, 429)[number % 4])
        refused.request_body = b"%d" % number
        log.put(refused)
    other = call(5000, status=404)
    other.api_key_id = 2
    log.put(other)
    assert log.flush(60)
    *rows, last = sorted((one for batch in written for one in batch), key=lambda one: one.api_key_id or 0)
    assert len(rows) == buffer.MOST_REFUSALS + 4
    assert sum(one.count for one in rows) == 5000
    counted = [one for one in rows if one.count > 1]
    assert {(one.status, one.path, one.request_body) for one in counted} == {
        (status, "…", b"") for status in (401, 404, 422, 429)
    }
    assert (last.path, last.count) == ("/v1/reve-image/generate", 1)


def test_refusals_have_rows_of_their_own_again_a_minute_later(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "MOST_REFUSALS", 2)
    written: Written = []
    log = Buffer(gathering(written))
    for round in range(2):
        for number in range(5):
            log.put(call(round * 5 + number, status=422))
        assert log.flush(60)
        log._refusals_since -= buffer.REFUSALS_SECONDS
    assert [one.count for batch in written for one in batch] == [1, 1, 3] * 2


def test_a_fork_begins_anew() -> None:
    written: Written = []
    log = Buffer(gathering(written))
    log.put(call(1))
    assert log.flush(60)
    child = os.fork()
    if child == 0:  # its parent's thread is not there
        log.put(call(2))
        os._exit(0 if log.flush(60) and len(written) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- In the database ---------------------------------------------------------------------------------------------


def of(api: Api, wallet: Wallet, number: int) -> Seen:
    seen = call(number)
    seen.wallet_id, seen.api_key_id = wallet.pk, api.key.pk
    return seen


def test_the_same_rows_written_again_are_there_once(api: Api, wallet: Wallet) -> None:
    """Nobody knows whether a commit that was not answered happened."""
    calls = [of(api, wallet, number) for number in range(3)]
    write(calls)
    write(calls)
    assert ApiCall.objects.count() == 3


def test_a_key_that_is_gone_takes_no_call_with_it(api: Api, wallet: Wallet) -> None:
    calls = [of(api, wallet, number) for number in range(3)]
    api.key.delete()
    write(calls)
    assert list(ApiCall.objects.values_list("api_key", flat=True)) == [None] * 3


def test_a_key_that_goes_later_leaves_its_calls(api: Api, wallet: Wallet) -> None:
    write([of(api, wallet, 1)])
    api.key.delete()
    assert ApiCall.objects.get().api_key is None


def test_nothing_is_written_about_a_closed_account(api: Api, wallet: Wallet) -> None:
    api.key.user.deleted_at = timezone.now()
    api.key.user.save()
    write([of(api, wallet, 1)])
    assert not ApiCall.objects.exists()


def test_a_call_that_cannot_be_stored_takes_no_other_with_it(
    transactional_db: None, api: Api, wallet: Wallet, unlogged: None
) -> None:
    calls = [of(api, wallet, number) for number in range(200)]
    calls[7].duration_ms = 10**19
    write(calls)
    assert ApiCall.objects.count() == 199


def test_a_body_that_cannot_be_looked_into_takes_no_call_with_it(
    api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    kept = words.kept
    monkeypatch.setattr(words, "kept", lambda body, most: 1 / 0 if body == b"odd" else kept(body, most))
    calls = [of(api, wallet, number) for number in range(200)]
    for one in calls:
        one.request_body = b"{}"
    calls[7].request_body = b"odd"
    write(calls)
    bodies = dict(ApiCall.objects.values_list("request_id", "request_body"))
    assert bodies == {f"req_{number}": "" if number == 7 else "{}" for number in range(200)}


def test_what_is_odd_is_cut(api: Api, wallet: Wallet) -> None:
    calls = [of(api, wallet, number) for number in range(3)]
    calls[0].request_body = b'{"prompt":"fox","x":' + b'{"a":' * 520 + b"1" + b"}" * 521
    calls[1].request_bytes = 10**19
    write(calls)
    nested, large, _ = ApiCall.objects.order_by("request_id")
    assert json.loads(nested.request_body)["prompt"] == "fox"
    assert "…" in nested.request_body
    assert (nested.is_whole, large.is_whole, large.request_bytes) == (False, False, 2**31 - 1)


def test_an_outage_reaches_the_buffer(api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("away") from DatabaseAway("away")

    monkeypatch.setattr(ApiCall.objects, "bulk_create", away)
    with pytest.raises(OperationalError):
        write([of(api, wallet, 1)])
