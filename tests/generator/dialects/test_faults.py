"""The same faults over all dialects: each is judged alike, whatever a protocol calls it."""

import time

import pytest
from django.test import override_settings

from generator.models import Operation
from generator.upstreams import errors
from generator.upstreams.dialect import Dialect, Picture
from tests.environment import free_port
from tests.generator.dialects.conftest import PEERS, Peer, judged, order_for, picture_of, speak

FAULTS = {
    "refuse": "refused",
    "unauthorized": "key_refused",
    "forbidden": "key_refused",
    "payment": "out_of_funds",
    "not-found": "not_found",
    "busy": "Busy",
    "error503": "Busy",
    "error500": "Unclear",
    "error500-accepted": "Unclear",
    "cut-off": "Unclear",
    "fail": "failed",
    "no-url": "no picture",
    "truncated": "bad picture",
    "wrong-type": "bad picture",
    "bomb": "bad picture",
    "jpeg": "drawn",
    "webp": "drawn",
}
IN_ITS_OWN_WAY = {("openai_images", "fail"): "Unclear"}  # what it took it answers: a failure is a 500 like any other


@pytest.mark.parametrize(("mode", "judgement"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_judged_alike(peer: Peer, sandbox: str, mode: str, judgement: str) -> None:
    order = order_for(peer, f"{peer.name} [sandbox:{mode}]")
    assert judged(peer.at(sandbox), order) == IN_ITS_OWN_WAY.get((peer.name, mode), judgement)


@pytest.mark.parametrize("mode", ["html", "huge", "private-redirect"])
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name != "openai_images"], indirect=True)
def test_an_address_that_leads_to_no_picture_is_none(peer: Peer, sandbox: str, mode: str) -> None:
    with override_settings(IMAGE_MAX_BYTES=1024 * 1024):
        assert judged(peer.at(sandbox), order_for(peer, f"a house [sandbox:{mode}]")) == "bad picture"


@pytest.mark.parametrize("mode", ["busy", "error503"])
def test_who_waits_as_asked_gets_a_picture(peer: Peer, sandbox: str, mode: str) -> None:
    order = order_for(peer, f"{peer.name} again [sandbox:{mode}]")

    async def thrice(dialect: Dialect) -> bytes:
        for _ in range(2):
            with pytest.raises(errors.Busy) as busy:
                await dialect.submit(order)
            assert busy.value.retry_after == 1
        return (await picture_of(dialect, order))[1]

    assert speak(peer.at(sandbox), thrice)


def test_silence_is_unclear_and_ends_in_time(peer: Peer, sandbox: str) -> None:
    began = time.monotonic()
    order = order_for(peer, f"{peer.name} [sandbox:timeout-submit]")
    assert judged(peer.at(sandbox, seconds=0.5), order) == "Unclear"
    assert time.monotonic() - began < 60  # the silence lasts two minutes


def test_without_a_connection_nothing_was_taken(peer: Peer) -> None:
    assert judged(peer.at(f"http://127.0.0.1:{free_port()}"), order_for(peer, "a tree")) == "NotAccepted"


@pytest.mark.parametrize("mode", ["status500", "status-busy", "status-garbage"])
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name != "openai_images"], indirect=True)
def test_a_look_that_fails_ends_nothing(peer: Peer, sandbox: str, mode: str) -> None:
    order = order_for(peer, f"{peer.name} [sandbox:{mode}]")

    async def patient(dialect: Dialect) -> tuple[int, str]:
        job = await dialect.submit(order)
        failed = 0
        while job.state == "pending":
            try:
                job = await dialect.poll(job.id)
            except (errors.Unclear, errors.Busy):
                failed += 1
        return failed, job.state

    assert speak(peer.at(sandbox), patient) == (3 if mode == "status500" else 2, "completed")


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name != "openai_images"], indirect=True)
def test_a_job_that_was_lost_is_gone(peer: Peer, sandbox: str) -> None:
    assert judged(peer.at(sandbox), order_for(peer, "a tree [sandbox:lost]")) == "Gone"


def test_a_picture_that_is_none_is_the_inputs_fault(peer: Peer, sandbox: str) -> None:
    bad = (Picture(b"no picture", "image/png"),)
    for operation in (Operation.REMIX, Operation.EDIT):
        order = order_for(peer, "a hat", operation=operation, inputs=bad)
        assert judged(peer.at(sandbox), order) == "BadInput"
