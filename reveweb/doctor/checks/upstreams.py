"""The upstreams: whether each can be reached, takes our key and has funds of ours, and whether each model has one."""

import asyncio
import contextlib
from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone

from generator.models import ImageModel, Route, Upstream, UpstreamTrouble
from generator.upstreams import secret
from generator.upstreams.dialect import Balance
from generator.upstreams.errors import Busy, OperatorTrouble, UpstreamError
from generator.upstreams.registry import address_of, dialect_of
from kit.threads import let_go
from reveweb.doctor.findings import Finding, fault, note, ok, warning

SECONDS = 7.0  # for all of them, asked at once

Told = Balance | UpstreamError | TimeoutError | None


def upstreams() -> Iterator[Finding]:
    """Ask each that is in use something that costs nothing, and tell what is known of it."""
    every = list(Upstream.objects.filter(is_active=True))
    if not every:
        words = "No upstream is in use: nothing is drawn."
        yield fault(
            "upstreams-none", words, f"Add one at {reverse('admin:generator_upstream_changelist')}, or put one back."
        )
        return
    troubles = {trouble.upstream: trouble for trouble in UpstreamTrouble.objects.all()}
    let_go()
    told = asyncio.run(_asked(every))
    for upstream, answer in zip(every, told, strict=True):
        yield from _of(upstream, answer, troubles.get(upstream.slug))


async def _asked(upstreams: list[Upstream]) -> list[Told]:
    return await asyncio.gather(*(_ask(upstream) for upstream in upstreams))


async def _ask(upstream: Upstream) -> Told:
    try:
        dialect = dialect_of(upstream)
    except UpstreamError as error:
        return error
    try:
        async with asyncio.timeout(SECONDS):
            if dialect.can.tells_balance:
                return await dialect.balance()
            await dialect.greet()
    except (UpstreamError, TimeoutError) as error:
        return error
    finally:
        with contextlib.suppress(Exception):
            await dialect.aclose()
    return None


def _of(upstream: Upstream, told: Told, trouble: UpstreamTrouble | None) -> Iterator[Finding]:
    name = upstream.slug
    if words := secret.problem(upstream.secret):
        cure = "Put the former SECRET_KEY into SECRET_KEY_FALLBACKS, or set the key again at Admin → Upstreams."
        yield fault("upstreams-key-closed", f"{name}: {words}", cure)
        return
    if not secret.is_newest(upstream.secret):
        words = f"{name}: its key is sealed under a former SECRET_KEY."
        yield note("upstreams-key-former", words, "Run manage.py upstreams --reseal.")
    if isinstance(told, OperatorTrouble):
        yield _refused(name, told.kind, told.words)
    elif isinstance(told, Busy):
        yield warning(
            "upstreams-busy", f"{name}: it asks us to come later: {told.words}", "Slow down, or add another upstream."
        )
    elif isinstance(told, UpstreamError | TimeoutError):
        words = _said(told)
        cure = f"Look whether {address_of(upstream)} is right and up, and whether this machine may go there."
        yield fault("upstreams-unreachable", f"{name}: {words}", cure)
    elif isinstance(told, Balance) and told.amount <= 0:
        yield _refused(name, UpstreamTrouble.Kind.OUT_OF_FUNDS, f"{told.amount:g} {told.currency} are left")
    elif trouble:
        since = f"since {timezone.localtime(trouble.since):%d %B, %H:%M} UTC"
        yield _refused(name, UpstreamTrouble.Kind(trouble.kind), f"{trouble.get_kind_display()}, {since}")
    else:
        yield ok("upstreams-well", f"{name} answers" + (f", {told.amount:g} {told.currency} left" if told else ""))


def _said(error: UpstreamError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS:g} seconds"
    return f"{error.status}: {error.words}" if error.status else error.words


def _refused(name: str, kind: UpstreamTrouble.Kind, words: str) -> Finding:
    """Return what only the operator can mend."""
    if kind == UpstreamTrouble.Kind.OUT_OF_FUNDS:
        return fault(
            "upstreams-funds", f"{name}: our funds there are gone: {words}", "Pay in there, then “Put back” it."
        )
    if kind == UpstreamTrouble.Kind.NOT_FOUND:
        cure = "Mend its address at Admin → Upstreams, or the model's name there at Admin → Routes."
        return fault("upstreams-address", f"{name}: it does not know the address or the model: {words}", cure)
    cure = "Set a key that is taken at Admin → Upstreams (of the first one it is REVE_API_KEY), then “Put back” it."
    return fault("upstreams-key-refused", f"{name}: it refuses our key: {words}", cure)


def routes() -> Iterator[Finding]:
    """Look for models that people may choose and nobody draws."""
    live = Route.objects.filter(is_active=True, upstream__is_active=True).values_list("model_id", flat=True)
    for model in ImageModel.objects.filter(is_active=True).exclude(pk__in=live):
        words = f"The model {model.slug} is offered, and no upstream in use draws it."
        yield warning("routes-missing", words, "Add a route at Admin → Routes, or take the model out of use.")
