"""Which calls of which clients were seen to work: what `make conformance` found when it ran last."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

RESULTS = Path(__file__).parent / "conformance.json"  # written by `make conformance`, and only where all of it is right


@dataclass(frozen=True)
class Row:
    """What a call gave, where it was tried as `case` says."""

    call: str
    case: str
    result: str


@dataclass(frozen=True)
class Client:
    """A client and its rows."""

    name: str
    version: str
    rows: tuple[Row, ...]


@lru_cache(maxsize=1)
def shown() -> tuple[Client, ...]:
    """Return the clients with their rows, as they were found; none before anybody looked."""
    if not RESULTS.exists():
        return ()
    return tuple(
        Client(one["name"], one["version"], tuple(Row(**row) for row in one["rows"]))
        for one in json.loads(RESULTS.read_text())
    )
