"""One stand-in and one receiver for all tests here; each test begins with both empty."""

from collections.abc import Iterator

import pytest

from tests.sandbox.stripe.stand import Receiver, Shop, Stand


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="session")
def _stand(_receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("stripe"), _receiver.url)
    yield stand
    stand.stop()


@pytest.fixture
def stand(_stand: Stand) -> Stand:
    _stand.desk("reset")
    return _stand


@pytest.fixture
def receiver(_receiver: Receiver, stand: Stand) -> Receiver:
    """What arrived since the test began."""
    _receiver.events.clear()
    _receiver.refused.clear()
    _receiver.answers.clear()
    return _receiver


@pytest.fixture
def shop(stand: Stand, receiver: Receiver) -> Shop:
    shop = Shop(stand)
    stand.drain()
    receiver.events.clear()
    return shop
