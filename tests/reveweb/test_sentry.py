"""Errors go where SENTRY_DSN says, from a page and from a task, and nothing that was entrusted to us goes along."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import ROOT

SECRET = f"rv_a1B2c3D4_{'x' * 38}"
ROW = "DETAIL:  Failing row contains (7, a marigold of two\nlines, eve@example.com).\nHINT: none"
PROMPT = "a marigold that nobody else asks for"
PROGRAM = f"""
import json, logging, django
django.setup()
from django.test import Client
from celery import shared_task
from kit import request_id
from reveweb import health
from reveweb.celery import app

@app.task
def breaks(prompt):
    request_id.work_on("img_of_the_test", asked_by="req_of_the_test")
    raise RuntimeError("in a task")

from reveweb.pages import pricing
from django.urls import resolve
view = resolve("/pricing/").func
def broken(request):
    prompt = {PROMPT!r}
    import http.client
    line = http.client.HTTPConnection("127.0.0.1", 9, timeout=1)
    try:
        line.request("GET", "/a-path-that-opens?and=a-query")
    except OSError:
        pass
    raise RuntimeError("in a page with {SECRET}") from ValueError({ROW!r})
import reveweb.pages.urls as urls
for pattern in urls.urlpatterns:
    if pattern.name == "pricing":
        pattern.callback = broken
client = Client(raise_request_exception=False)
print(client.post("/pricing/?q=marigold", {{"prompt": {PROMPT!r}}}, headers={{"Authorization": "Bearer {SECRET}"}},
                  REMOTE_ADDR="203.0.113.7").status_code)
breaks.apply(args=[{PROMPT!r}])
import sentry_sdk
sentry_sdk.flush(5)
"""


@pytest.fixture
def taken() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The DSN of somebody who takes events, and what came."""
    events: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            events.extend(event for line in body.split(b"\n") if line and "exception" in (event := json.loads(line)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://public@127.0.0.1:{server.server_address[1]}/1", events
    server.shutdown()
    server.server_close()


def run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "reveweb.settings", "ENV_FILE": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_errors_arrive_without_what_is_nobodys_business(taken: tuple[str, list[dict[str, Any]]]) -> None:
    dsn, events = taken
    run(PROGRAM, SENTRY_DSN=dsn)
    words = [event["exception"]["values"][-1]["value"] for event in events]
    assert sorted(words) == ["in a page with rv_a1B2c3D4_…", "in a task"]
    by_words = dict(zip(words, events, strict=True))
    task, page = by_words["in a task"], by_words["in a page with rv_a1B2c3D4_…"]
    assert task["tags"]["generation_id"] == "img_of_the_test"
    assert page["tags"]["request_id"].startswith("req_")
    assert set(page.get("request", {})) <= {"method"}
    assert page["transaction"] == "/pricing/"
    assert "sys.argv" not in page["extra"]
    assert page["environment"] == "development"
    written = json.dumps(events)
    for hidden in (SECRET, "marigold", "203.0.113.7", "Authorization", "that-opens", "a-query", "eve@example.com"):
        assert hidden not in written


def test_without_a_dsn_nothing_of_it_is_loaded() -> None:
    said = run("import sys, django; django.setup(); print('sentry_sdk' in sys.modules)", SENTRY_DSN="")
    assert said.strip() == "False"


@pytest.mark.parametrize("dsn", ["nowhere", "https://sentry.example.com/1", "https://key@sentry.example.com/"])
def test_a_dsn_that_is_none_is_refused_in_a_line(dsn: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "ENV_FILE": "", "SENTRY_DSN": dsn},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("reveweb: SENTRY_DSN")
    assert done.stderr.count("\n") == 1
