"""Traces go where OpenTelemetry's variables say: one image is one trace, from its caller through web and worker."""

import contextlib
import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.installation import Stack, wait_until
from tests.stack.test_first_image import create_key, sign_up

pytestmark = pytest.mark.stack

PROMPT = "a marigold that nobody else asks for"
CALLER = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collected() -> Iterator[tuple[str, list[Span], list[bytes]]]:
    """Where spans are to be sent, and what came: as spans, and as bytes."""
    spans: list[Span] = []
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            bodies.append(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", spans, bodies
    server.shutdown()
    server.server_close()


def told(span: Span, name: str) -> str:
    return next((each.value.string_value for each in span.attributes if each.key == name), "")


def test_an_image_is_one_trace_from_its_caller_to_its_upstream(
    start_stack: Callable[..., Stack], collected: tuple[str, list[Span], list[bytes]]
) -> None:
    where, spans, bodies = collected
    stack = start_stack(
        OTEL_EXPORTER_OTLP_ENDPOINT=where,
        OTEL_BSP_SCHEDULE_DELAY="200",
        SANDBOX_SECONDS="0.2",
        SANDBOX_PICTURES="plain",
    )
    with contextlib.closing(sign_up(stack, "traced@example.com")) as browser:
        secret = create_key(browser, "laptop")
    answer = httpx.post(
        f"{stack.url}/v1/reve-image/generate",
        json={"prompt": PROMPT},
        headers={"Authorization": f"Bearer {secret}", "traceparent": f"00-{CALLER}-b7ad6b7169203331-01"},
        timeout=60,
    )
    assert answer.status_code == 200

    def mine() -> dict[str, Span]:
        return {span.name: span for span in list(spans) if span.trace_id.hex() == CALLER}

    wait_until(lambda: {"POST /v1/reve-image/generate", "send", "keep"} <= set(mine()), 90)
    found = mine()
    image = answer.json()["id"]
    assert {told(found[name], "reveweb.generation_id") for name in ("send", "keep")} == {image}
    request = answer.headers["X-Request-Id"]
    assert told(found["POST /v1/reve-image/generate"], "reveweb.request_id") == request
    assert told(found["send"], "reveweb.request_id") == request
    beside = [span for span in list(spans) if span.parent_span_id == found["send"].span_id]
    assert beside  # the call of the upstream
    for hidden in (b"marigold", secret.encode()):
        assert not any(hidden in body for body in list(bodies))
