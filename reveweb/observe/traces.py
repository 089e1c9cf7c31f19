"""Traces are set up as OpenTelemetry's own variables say, in each process that asks or works.

Beside the spans of this site (`kit.tracing`) there are those of what it calls: upstreams, database, Redis, and tasks.
Statements are without their values, and no span has a prompt or a key.
"""

import logging

from kit import tracing
from reveweb.version import VERSION

log = logging.getLogger(__name__)


def begin() -> None:
    """Send this process's spans from now on, where the variables say so."""
    if not tracing.is_on():
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes before this.
    ours = Resource({SERVICE_NAME: "reveweb", SERVICE_VERSION: VERSION})
    resource = ours.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    for instrument in (CeleryInstrumentor, HTTPXClientInstrumentor, PsycopgInstrumentor, RedisInstrumentor):
        try:
            instrument().instrument()
        except Exception as error:  # of another version: its calls have no spans, and all else goes on
            log.warning("%s cannot be used: %r", instrument.__name__, error)
