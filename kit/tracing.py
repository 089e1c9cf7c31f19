"""Traces by OpenTelemetry, where its own variables say where they go; else nothing of it is loaded.

What is asked in one process is done in another: a row keeps the trace that it was asked for in (`of_now`), and whoever
works on it goes on with that (`span`'s `parent`).
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

PARENT_LENGTH = 55  # of a traceparent as W3C has it
_WHERE = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@cache
def is_on() -> bool:
    """Tell whether traces are sent anywhere: by the variables that every program with OpenTelemetry reads."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("", "otlp"):
        return False
    return any(os.environ.get(name, "").strip() for name in _WHERE)


def of_now() -> str:
    """Return the trace and the span that this is done in, as a row keeps it; "" for none."""
    if not is_on():
        return ""
    from opentelemetry.propagate import inject  # here and below: who sends none does not load it

    told: dict[str, str] = {}
    inject(told)
    return told.get("traceparent", "")[:PARENT_LENGTH]


@contextlib.contextmanager
def span(
    name: str, attributes: Mapping[str, str], *, parent: str | None = None, is_served: bool = False
) -> Iterator[Any]:
    """Do something as a span of the trace `parent`, None for that of now; yields it, or None where nobody traces.

    `is_served` tells that somebody else asked for it. An error ends it as one.
    """
    if not is_on():
        yield None
        return
    from opentelemetry import trace
    from opentelemetry.propagate import extract

    context = None if parent is None else extract({"traceparent": parent} if parent else {})
    kind = trace.SpanKind.SERVER if is_served else trace.SpanKind.INTERNAL
    named = {f"reveweb.{key}" if "." not in key else key: value for key, value in attributes.items() if value != ""}
    with trace.get_tracer("reveweb").start_as_current_span(name, context=context, kind=kind, attributes=named) as one:
        yield one
