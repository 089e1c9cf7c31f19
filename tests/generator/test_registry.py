"""One dialect for each upstream in use: made anew when its row changes, and closed with its last job."""

import asyncio
from typing import Any

import pytest

from generator.models import Upstream
from generator.upstreams import registry, secret
from generator.upstreams.dialect import Dialect
from generator.upstreams.errors import OperatorTrouble
from generator.upstreams.registry import DIALECTS, Dialects, dialect_of
from kit.threads import in_loop


class Closing:
    def __init__(self, upstream: Upstream) -> None:
        self.address = registry.address_of(upstream)
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


def upstream(**fields: Any) -> Upstream:
    return Upstream(pk=1, slug="reve", dialect="reve_art", base_url="https://one.example", **fields)


@pytest.fixture
def dialects() -> Dialects:
    make: Any = Closing
    return Dialects(make)


def test_every_dialect_that_can_be_chosen_is_spoken() -> None:
    assert set(DIALECTS) == set(Upstream.Dialect.values)


async def _dialect(dialects: Dialects, row: Upstream) -> Any:
    async with dialects.of(row) as dialect:
        return dialect


def test_one_is_made_for_all_jobs(dialects: Dialects) -> None:
    first, again = (asyncio.run(_dialect(dialects, upstream())) for _ in range(2))
    assert first is again
    assert not first.is_closed


@pytest.mark.parametrize(
    "change",
    [{"base_url": "https://two.example"}, {"secret": "env:OTHER"}, {"dialect": "fal_queue"}, {"timeout_seconds": 3.0}],
)
def test_a_changed_row_is_met_by_the_next_job_and_the_old_one_ends_with_its_last(
    dialects: Dialects, change: dict[str, Any]
) -> None:
    changed = upstream()
    for name, value in change.items():
        setattr(changed, name, value)

    async def work() -> None:
        async with dialects.of(upstream()) as old, dialects.of(upstream()) as same:
            async with dialects.of(changed) as new:
                assert old is same is not new
            await dialects.close_old()
            assert not old.is_closed  # type: ignore[attr-defined]
        assert old.is_closed  # type: ignore[attr-defined]
        assert not new.is_closed  # type: ignore[attr-defined]
        await dialects.aclose()
        assert new.is_closed  # type: ignore[attr-defined]

    asyncio.run(work())


def test_one_that_has_no_job_is_closed_when_somebody_looks(dialects: Dialects, settings: Any) -> None:
    row = Upstream(pk=1, slug="reve", dialect="reve_art")

    async def work() -> None:
        old: Any = await _dialect(dialects, row)
        settings.UPSTREAM_API_KEY = "another"
        new: Any = await _dialect(dialects, row)
        await dialects.close_old()
        assert (old.is_closed, new.is_closed) == (True, False)

    asyncio.run(work())


def test_a_dialect_has_what_its_row_says(settings: Any) -> None:
    settings.REVE_API_URL, settings.UPSTREAM_API_KEY = "https://env.example", "key-of-the-environment"

    def access(row: Upstream) -> tuple[str, str, float]:
        async def look() -> tuple[str, str, float]:
            dialect: Dialect = dialect_of(row)
            found = dialect.http.access.base_url, dialect.http.access.key, dialect.http.submit_seconds
            await dialect.aclose()
            return found

        return in_loop(look())

    own = upstream(secret=secret.seal("key-of-its-own"), timeout_seconds=120.0)
    assert access(own) == ("https://one.example", "key-of-its-own", 120.0)
    first = Upstream(pk=2, slug="reve", dialect="reve_art")
    assert access(first) == ("https://env.example", "key-of-the-environment", settings.UPSTREAM_TIMEOUT_SECONDS)


def test_a_key_that_is_not_to_be_had_is_the_operators_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(OperatorTrouble):
        dialect_of(upstream(secret="env:NO_SUCH_KEY"))
