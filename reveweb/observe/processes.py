"""What each process has in hand, which only itself can tell: streams, calls that are held, database connections."""

from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection

from generator import live
from generator.api import events
from generator.pages import stream
from kit import metrics, postgres
from kit.metrics import Gauge

Told = dict[tuple[str, ...], float]


def watch() -> None:
    """Have this process say it from now on, if anybody may ask."""
    metrics.watch()


def _streams() -> Told:
    return {("studio",): stream.open_streams(), ("image",): events.open_streams()}


def _waits() -> Told:
    return {(): live.waiting()}


_counted = {"refused": 0}


def _pool() -> Any:
    """Return the pool of this process that the ORM borrows from, None where there is none, or not yet."""
    wrapper = connection._connections[DEFAULT_DB_ALIAS]  # type: ignore[attr-defined]  # Django has no public name for it
    return getattr(type(wrapper), "_connection_pools", {}).get(DEFAULT_DB_ALIAS)


def _connections() -> Told:
    """PostgreSQL's: those of the ORM's pool, and those that the API's statements have beside it."""
    if not postgres.is_used():
        return {}
    told = postgres.held()
    busy, idle, waiting = told.in_use, told.idle, told.waiting
    if (pool := _pool()) is not None:
        known = pool.get_stats()
        busy += known["pool_size"] - known["pool_available"]
        idle += known["pool_available"]
        waiting += known["requests_waiting"]
        refused = known.get("requests_errors", 0)
        postgres.REFUSED.add(max(0, refused - _counted["refused"]))
        _counted["refused"] = refused
    most = settings.ORM_CONNECTIONS + settings.API_CONNECTIONS
    return {("in_use",): busy, ("idle",): idle, ("waited_for",): waiting, ("most",): most}


STREAMS = Gauge("reveweb_streams_open", "Event streams that browsers and programs hold.", _streams, "of")
WAITS = Gauge("reveweb_calls_waiting", "Images that calls which are held wait for.", _waits)
CONNECTIONS = Gauge(
    "reveweb_database_connections",
    "Connections of all processes, those waited for, and the most.",
    _connections,
    "state",
)
