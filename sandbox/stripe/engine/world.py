"""All that a call, a page or a timer may touch, and the one way events come into being."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.stripe import API_VERSION, objects
from sandbox.stripe.config import StripeConfig
from sandbox.stripe.state.clock import Clock
from sandbox.stripe.state.store import Obj, Query, Store
from sandbox.stripe.state.views import difference, public
from sandbox.stripe.webhooks.outbox import Outbox
from sandbox.stripe.wire.errors import NoSuchObject

_PUBLIC_URL = "public_url"
_TELL_PREVIOUS = {"charge.refunded", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"}
"""Events that carry `previous_attributes` although their names don't end in `.updated`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The API request that makes things happen; both empty when a person or the clock does."""

    request: str = ""
    idempotency_key: str = ""


class World:
    """State, clock and outbox. Everything that changes runs inside `transaction`, on the event loop's thread."""

    def __init__(self, *, config: StripeConfig, store: Store, default_url: str, on_commit: Callable[[], None]) -> None:
        self.config, self.store = config, store
        self.clock, self.outbox = Clock(store), Outbox(store)
        self._default_url, self._on_commit = default_url, on_commit
        self._cause = Cause()

    @contextmanager
    def transaction(self, cause: Cause | None = None) -> Iterator[None]:
        """Keep all changes and their events, or none; deliveries start after the commit."""
        self._cause = cause or Cause()
        try:
            with self.store.transaction():
                yield
        finally:
            self._cause = Cause()
        self._on_commit()

    def now(self) -> int:
        """Return the simulated moment, in Unix seconds."""
        return self.clock.now()

    # Objects

    def get(self, kind: str, identity: str, *, param: str = "") -> Obj:
        """Return the object. Raises NoSuchObject (404, or 400 when `param` names the parameter it came from)."""
        obj = self.store.find(identity, kind)
        if obj is None:
            raise NoSuchObject(kind.rpartition(".")[2], identity, param=param)
        return obj

    def all(self, kind: str, *, newest_first: bool = True, **where: Any) -> list[Obj]:
        """Return the objects of a kind whose fields have these values."""
        return self.store.select(Query(kind, where), newest_first=newest_first)

    def new(self, kind: str, /, **given: Any) -> Obj:
        """Return an object that was made now; `shapes.json` says what to give."""
        return objects.new(kind, now=self.now(), url=self.url, **given)

    def add(self, obj: Obj, *events: str) -> Obj:
        """Keep a new object and tell the endpoints."""
        self.store.insert(obj)
        self.tell(obj, *events)
        return obj

    def change(self, obj: Obj, *events: str, **fields: Any) -> Obj:
        """Set fields of an object, keep it and tell the endpoints."""
        with self.changing(obj, *events):
            obj |= fields
        return obj

    @contextmanager
    def changing(self, obj: Obj, *events: str) -> Iterator[Obj]:
        """Keep what is changed inside, and tell the endpoints with what it was before."""
        before = public(self.store, copy.deepcopy(obj))
        yield obj
        self.store.update(obj)
        self.tell(obj, *events, before=before)

    def account(self) -> Obj:
        """Return the one account there is; it goes with the file that it is in."""
        found = self.store.select(Query("account", {}), limit=1)
        if found:
            return found[0]
        account = self.new("account")
        self.store.insert(account)
        return account

    # Events

    def tell(self, obj: Obj, *types: str, before: Obj | None = None) -> None:
        """Emit events about the object as it is now. An `.updated` event that changes nothing is not sent."""
        after = public(self.store, obj)
        previous = difference(before, after) if before is not None else None
        for event_type in types:
            telling = event_type.endswith(".updated") or event_type in _TELL_PREVIOUS
            if event_type.endswith(".updated") and previous == {}:
                continue
            self._emit(event_type, after, previous if telling else None)

    def _emit(self, event_type: str, shown: Obj, previous: Obj | None) -> None:
        event = new_event(event_type, shown, created=self.now(), previous=previous)
        key = self._cause.idempotency_key or None
        event["request"] = {"id": self._cause.request or None, "idempotency_key": key}
        self.outbox.add(event)
        self.store.insert(event)

    # Addresses

    @property
    def url(self) -> str:
        """Where browsers reach the hosted pages."""
        return self.config.public_url or self.store.note(_PUBLIC_URL) or self._default_url

    def seen_at(self, url: str) -> None:
        """Remember the address that the API was called at."""
        if url != self.store.note(_PUBLIC_URL):
            self.store.set_note(_PUBLIC_URL, url)


def new_event(event_type: str, shown: Obj, *, created: int, previous: Obj | None = None) -> Obj:
    """Return an event about an object in its public form."""
    data: Obj = {"object": shown}
    if previous is not None:
        data["previous_attributes"] = previous
    return objects.new("event", version=API_VERSION, type=event_type, created=created, data=data)
