"""The same jobs over all dialects: what is asked for is what is drawn."""

import io
import random

import pytest
from PIL import Image

from generator.models import Operation
from generator.upstreams.dialect import Dialect, Job, Order, Picture
from tests.generator.dialects.conftest import Peer, colour_at, left_half, opened, order_for, picture_of, sheet, speak

RED, GREEN, BLUE = (210, 20, 20), (20, 190, 30), (10, 20, 200)


def drawn(peer: Peer, root: str, order: Order) -> bytes:
    job, data = speak(peer.at(root), lambda dialect: picture_of(dialect, order))
    assert job.state == "completed"
    return data


@pytest.mark.parametrize("ratio", ["1:1", "16:9", "2:3"])
def test_a_picture_is_drawn_in_its_shape(peer: Peer, sandbox: str, ratio: str) -> None:
    picture = opened(drawn(peer, sandbox, order_for(peer, "a lighthouse", aspect_ratio=ratio)))
    across, down = (int(part) for part in ratio.split(":"))
    # OpenAI draws no shape wider than 3:2.
    assert picture.width / picture.height == pytest.approx(across / down, rel=0.2)
    assert picture.width * picture.height > 900_000


def test_another_prompt_is_another_picture(peer: Peer, sandbox: str) -> None:
    one, other = (drawn(peer, sandbox, order_for(peer, f"a lighthouse {name}")) for name in ("one", "two"))
    assert colour_at(opened(one), (5, 5)) != colour_at(opened(other), (5, 5))


def test_an_edit_is_made_from_its_picture_and_keeps_its_shape(peer: Peer, sandbox: str) -> None:
    by_colour = [
        opened(drawn(peer, sandbox, order_for(peer, "darker", operation=Operation.EDIT, inputs=(sheet(colour),))))
        for colour in (RED, GREEN)
    ]
    assert {picture.size for picture in by_colour} == {(96, 64)}
    (red, less_green, _), (less_red, green, _) = (colour_at(picture, (9, 9)) for picture in by_colour)
    assert red > less_red
    assert green > less_green


def test_an_edit_leaves_what_is_black_in_its_mask(peer: Peer, sandbox: str) -> None:
    order = order_for(peer, "a hat", operation=Operation.EDIT, inputs=(sheet(RED),), mask=left_half())
    picture = opened(drawn(peer, sandbox, order))
    assert colour_at(picture, (80, 30)) == RED
    assert colour_at(picture, (10, 30)) != RED


def test_a_mask_of_another_size_is_stretched(peer: Peer, sandbox: str) -> None:
    order = order_for(peer, "a hat", operation=Operation.EDIT, inputs=(sheet(RED),), mask=left_half((960, 640)))
    picture = opened(drawn(peer, sandbox, order))
    assert colour_at(picture, (90, 30)) == RED
    assert colour_at(picture, (5, 30)) != RED


def test_an_edit_may_be_given_another_shape(peer: Peer, sandbox: str) -> None:
    order = order_for(peer, "a hat", operation=Operation.EDIT, inputs=(sheet(RED),), aspect_ratio="2:3")
    picture = opened(drawn(peer, sandbox, order))
    assert picture.width / picture.height == pytest.approx(2 / 3, rel=0.02)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_edit_takes_other_formats(peer: Peer, sandbox: str, kind: str) -> None:
    order = order_for(peer, "a hat", operation=Operation.EDIT, inputs=(sheet(RED, kind=kind),))
    assert opened(drawn(peer, sandbox, order)).size == (96, 64)


def test_a_remix_is_made_from_all_its_pictures(peer: Peer, sandbox: str) -> None:
    inputs = (sheet(RED), sheet(GREEN), sheet(BLUE))
    order = order_for(peer, "together", operation=Operation.REMIX, inputs=inputs, aspect_ratio="3:2")
    picture = opened(drawn(peer, sandbox, order))
    assert picture.width / picture.height == pytest.approx(1.5, rel=0.02)
    thirds = [colour_at(picture, (picture.width * part // 6, 50)) for part in (1, 3, 5)]
    for at, third in enumerate(thirds):
        others = [each for each in thirds if each is not third]
        assert all(third[at] > other[at] for other in others)


def test_what_is_not_wanted_is_told(peer: Peer, sandbox: str) -> None:
    """In a field of its own or in the prompt: either way another picture is drawn."""
    plain, without = (
        drawn(peer, sandbox, order_for(peer, "a meadow", negative_prompt=words)) for words in ("", "cows")
    )
    assert colour_at(opened(plain), (5, 5)) != colour_at(opened(without), (5, 5))


def test_a_large_picture_arrives(peer: Peer, sandbox: str) -> None:
    """Larger than an answer may be, and than what Replicate takes in a data URL."""
    noise = random.Random(7).randbytes(1100 * 1000 * 3)
    out = io.BytesIO()
    Image.frombytes("RGB", (1100, 1000), noise).save(out, "PNG", compress_level=0)
    order = order_for(
        peer, "smoother", operation=Operation.EDIT, aspect_ratio="1:1", inputs=(Picture(out.getvalue(), "image/png"),)
    )
    assert opened(drawn(peer, sandbox, order)).size == (1100, 1000)


def test_what_is_cancelled_in_time_is_never_drawn(peer: Peer, slow_sandbox: str) -> None:
    dialect = peer.at(slow_sandbox)
    if dialect.can.is_synchronous or not dialect.can.can_cancel:
        pytest.skip("there is no cancelling a job there")

    async def cancelled(spoken: Dialect) -> tuple[bool, Job]:
        job = await spoken.submit(order_for(peer, "a slow one"))
        assert job.state == "pending"
        is_certain = await spoken.cancel(job.id)
        return is_certain, await spoken.poll(job.id)

    is_certain, job = speak(dialect, cancelled)
    assert is_certain
    assert job.state == "failed"
    assert not job.is_refused
