"""`/metrics`: for whom it is, what it says, and that dashboards and alerts ask for nothing that there is not."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from billing.models import HeldWelcome, StripeEvent
from billing.staff import comparing
from generator.models import Generation
from kit import metrics as counting
from kit import pulse
from kit.broker import Line
from reveweb import health
from reveweb.backup.models import NightlyBackup
from reveweb.observe import door, metrics, processes, requests
from reveweb.run import embedded
from tests import ROOT
from tests.environment import free_port

TOKEN = "a-token-of-this-test"
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
# What a process of its own counts; run for what it prints.
PROGRAM = """
import os, sys, threading, time, urllib.request, django
django.setup()
from django.conf import settings
from generator.jobs import endings
from reveweb.observe import door, requests
endings.ENDED.add(status="completed", code="", model="m")
requests.REQUESTS.add(endpoint="/x", method="GET", status="200")
if len(sys.argv) > 1:
    threading.Thread(target=door.serve, daemon=True).start()
    for _ in range(1000):
        time.sleep(0.05)
        try:
            print(urllib.request.urlopen(f"http://127.0.0.1:{settings.METRICS_PORT}/metrics").read().decode())
            break
        except OSError:
            pass
"""


@pytest.fixture(autouse=True)
def _anew() -> None:
    metrics.forget()


@pytest.fixture
def on(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


def get(client: Client, token: str = TOKEN) -> Any:
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.mark.django_db
def test_it_is_there_for_whoever_has_the_token(client: Client, on: None) -> None:
    assert get(client, "").status_code == get(client, "another").status_code == 401
    answer = get(client)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")


def test_without_a_token_there_is_nothing(client: Client) -> None:
    assert get(client).status_code == 404


@pytest.mark.django_db
@pytest.mark.services
def test_it_says_how_things_are(client: Client, on: None, generation: Generation) -> None:
    StripeEvent.objects.create(id="evt_1", type="invoice.paid", payload={}, received_at=timezone.now())
    said = get(client).content.decode()
    for line in (
        'reveweb_images_unfinished{state="queued"} 1.0',
        'reveweb_images_unfinished{state="drawing"} 0.0',
        'reveweb_upstream_up{upstream="reve"} 1.0',
        "reveweb_stripe_events_unhandled 1.0",
        "reveweb_credits_spent_today 1.0",
        'reveweb_check_up{check="database"} 1.0',
        "reveweb_scrape_errors 0.0",
    ):
        assert f"\n{line}\n" in said, line


def read() -> dict[str, list[float]]:
    return {name: [value for _, value in values] for name, values in metrics._samples()}


def well() -> Iterator[metrics.Sample]:
    yield metrics._one("reveweb_storage_up", 1)


@pytest.mark.django_db
def test_what_cannot_be_read_is_missing_and_counted(client: Client, on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Iterator[metrics.Sample]:
        raise RuntimeError("away")

    monkeypatch.setattr(metrics, "PARTS", (breaks, well))
    said = get(client).content.decode()
    assert "\nreveweb_scrape_errors 1.0\n" in said
    assert "\nreveweb_storage_up 1.0\n" in said
    assert "\nreveweb_build_info{" in said


@pytest.mark.django_db
def test_nobody_waits_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    released, hanging, begun = threading.Event(), threading.Event(), []

    def hangs() -> Iterator[metrics.Sample]:
        begun.append(1)
        hanging.set()
        released.wait(120)
        yield metrics._one("reveweb_accounts", 1)

    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "PARTS", (well, hangs, well))
    metrics._kept[:] = [metrics._Reading()]
    assert hanging.wait(60)
    monkeypatch.setattr(metrics, "READ_SECONDS", 0.05)
    for _ in range(3):
        said = read()
        assert (said["reveweb_storage_up"], said["reveweb_scrape_errors"]) == ([1.0], [2.0])
        assert "reveweb_check_up" in said
    released.set()
    assert metrics._kept[0].done.wait(60)
    assert metrics._kept[0].missing == 1  # what came after it was not begun
    assert len(begun) == 1  # and nobody else hung meanwhile


@pytest.mark.django_db
def test_without_redis_it_still_says_what_is_away_and_what_waits(
    client: Client, on: None, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(pulse, "heard", away)
    monkeypatch.setattr(Line, "waiting", away)
    health.forget()
    said = get(client).content.decode()
    health.forget()
    for line in (
        'reveweb_check_up{check="broker"} 0.0',
        'reveweb_check_up{check="redis"} 0.0',
        'reveweb_images_unfinished{state="queued"} 1.0',
        "reveweb_alerts_firing 0.0",
        "reveweb_scrape_errors 2.0",
    ):
        assert f"\n{line}\n" in said, line


def test_no_endpoint_is_anybodys_words() -> None:
    seen = {
        "/": "/",
        "/v1/reve-image/status/img_abc": "/v1/reve-image/status",
        "/v1/reve-image/img_abc": "/v1/reve-image",
        "/gallery/img_abc/": "/gallery",
        "/dashboard/api-keys/7/rotate/": "/dashboard/api-keys",
        "/static/x.css": "/static",
        "/wp-admin.php": "other",
        "/v1/../../etc": "/v1",
    }
    assert {path: requests.endpoint_of(path) for path in seen} == seen


def run(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "reveweb.settings", "ENV_FILE": "", **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_several_processes_count_is_one_sum_and_begins_anew_after_all_have_ended(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / f"counter_{os.getpid()}.db").write_bytes(
        bytes(65_536)
    )  # this one goes on, as another worker of the machine would
    environment = {"METRICS_PORT": str(free_port()), "VAR_DIR": str(tmp_path)}
    run(tmp_path, **environment)
    said = run(tmp_path, "serve", **environment)
    assert 'reveweb_images_ended_total{code="",model="m",status="completed"} 2.0' in said
    (folder / f"counter_{os.getpid()}.db").unlink()
    said = run(tmp_path, "serve", **environment)
    assert 'reveweb_images_ended_total{code="",model="m",status="completed"} 1.0' in said


def test_unwatched_nothing_of_it_is_loaded_or_counted(settings: Any) -> None:
    assert not counting.is_on()
    program = "import sys, django; django.setup(); import reveweb.asgi; print('prometheus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "reveweb.settings", "ENV_FILE": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.django_db
def test_it_says_what_waits_in_which_line_and_what_was_held_back(on: None, generation: Generation) -> None:
    Generation.objects.filter(pk=generation.pk).update(
        is_awaited=True, created_at=timezone.now() - timedelta(seconds=40)
    )
    HeldWelcome.objects.create(wallet=generation.wallet, reason=HeldWelcome.Reason.NETWORK, credits=7)
    cache.clear()
    told = {(name, labels): value for name, values in metrics._samples() for labels, value in values}
    assert told["reveweb_images_queued", ("yes",)] == 1
    assert told["reveweb_images_queued", ("no",)] == told["reveweb_images_queued_oldest_seconds", ("no",)] == 0
    assert 40 <= told["reveweb_images_queued_oldest_seconds", ("yes",)] < 100
    assert told["reveweb_welcomes_held_today", ("network",)] == 1
    assert told["reveweb_welcome_credits_held_today", ("network",)] == 7


def test_what_a_process_holds_is_nobodys_once_it_has_ended(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    folder = tmp_path / "metrics"
    folder.mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        (folder / f"gauge_livesum_{pid}.db").write_bytes(b"")
    (folder / f"counter_{ended.pid}.db").write_bytes(b"")  # what it counted was counted
    counting.forget_the_dead()
    assert {file.name for file in folder.iterdir()} == {
        f"gauge_livesum_{os.getpid()}.db",
        f"counter_{ended.pid}.db",
    }


def test_streams_calls_and_connections_of_a_process_are_read_without_a_query() -> None:
    assert processes._streams() == {("studio",): 0, ("image",): 0}
    assert processes._waits() == {(): 0}
    states = {state for (state,) in processes._connections()}
    assert states in (set(), {"in_use", "idle", "waited_for", "most"})


# --- What asks for it -------------------------------------------------------------------------------------------


def known() -> dict[str, counting.Series]:
    """Return all series that there are, as they are written down wherever something is counted or read."""
    for path in ("accounts", "billing", "generator", "kit", "reveweb"):
        for file in (ROOT / path).rglob("*.py"):
            if re.search(
                r"^from kit.metrics import .*(Counter|Gauge|Histogram|declare)", file.read_text(), re.MULTILINE
            ):
                importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return counting.SERIES


def asked(expression: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\breveweb_[a-z_0-9]+", expression)}


def test_the_dashboard_asks_for_what_there_is() -> None:
    board = json.loads((GRAFANA / "reveweb.json").read_text())
    wanted = {name for panel in board["panels"] for target in panel["targets"] for name in asked(target["expr"])}
    assert wanted <= known().keys(), wanted - known().keys()


def test_the_dashboard_shows_what_every_process_tells_once() -> None:
    """A gauge of the whole site comes from each process that is asked: unless it is summed up, each draws a line."""
    board = json.loads((GRAFANA / "reveweb.json").read_text())
    gauges = {name for name, one in known().items() if one.kind == "gauge"}
    for panel in board["panels"]:
        for target in panel["targets"]:
            bare = re.sub(r"(max|min|sum)(\s+by \([\w, ]+\))?\s*\([^()]*\)", "", target["expr"])
            assert not asked(bare) & gauges, (panel["title"], target["expr"])


def test_the_alerts_ask_for_what_there_is_and_say_what_to_do() -> None:
    text = (PROMETHEUS / "rules.yml").read_text()
    expressions = re.findall(r"expr: (.*)", text)
    wanted = {name for expression in expressions for name in asked(expression)}
    assert wanted <= known().keys(), wanted - known().keys()
    assert set(re.findall(r'reveweb_check_up\{check="(.*?)"', text)) <= set(health.CHECKS)
    assert text.count("summary:") == text.count("cure:") == len(expressions) >= 12
    tried = re.findall(r"alertname: (.*)", (PROMETHEUS / "rules.test.yml").read_text())
    assert Counter(tried) == dict.fromkeys(re.findall(r"alert: (.*)", text), 2)  # silent, and told


def test_the_page_of_all_series_is_the_registry() -> None:
    """Each has one row that says of it what the registry does, and no row is of anything else."""
    rows = re.findall(r"^\| `reveweb_.*$", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    wanted = {
        f"| `{name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or '–'} | {one.words} |"
        for name, one in known().items()
    }
    assert len(rows) == len(set(rows)) >= 40
    assert set(rows) == wanted, sorted(set(rows) ^ wanted)


@pytest.mark.django_db
@pytest.mark.services
def test_nothing_is_read_that_is_not_declared_and_all_that_is_declared_is_read(
    on: None, generation: Generation, settings: Any
) -> None:
    settings.BACKUP_TO = "/srv/backups"
    NightlyBackup.objects.create(night=date(2026, 1, 1), done_at=timezone.now())
    comparing.run(comparing.begin() or 0)
    cache.set("doctor-last", {"at": timezone.now().isoformat(), "total": 0, "examined": []})
    live = {gauge.name for gauge in counting._gauges}
    declared = {name for name, one in known().items() if one.kind == "gauge"} - live
    told = read()
    assert told["reveweb_scrape_errors"] == [0.0]
    assert set(told) == declared


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' own tool is not on this machine")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    for file in PROMETHEUS.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "metrics-token").write_text("x")
    configs = sorted(file.name for file in PROMETHEUS.glob("prometheus*.yml"))
    for command in (*(["check", "config", name] for name in configs), ["test", "rules", "rules.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_port_answers_nothing_else(tmp_path: Path, on: None, settings: Any) -> None:
    server = door._Server(("127.0.0.1", 0), door._Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/admin/")
        assert refused.value.code == 404
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def taken() -> Iterator[ThreadingHTTPServer]:
    """A port that another program has, which says that all is well."""

    class Stranger(BaseHTTPRequestHandler):
        said = b"well"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.said)))
            self.end_headers()
            self.wfile.write(self.said)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Enough(Exception):
    """Nobody serves for ever in a test."""


def look(settings: Any, port: int) -> None:
    """Have this process look twice whether it may answer there."""
    settings.METRICS_PORT = port
    looked = iter(range(1))

    def wait(seconds: float) -> None:
        if next(looked, None) is None:
            raise Enough

    with pytest.raises(Enough):
        door.serve(wait)


def test_a_port_that_a_stranger_has_is_told_of_once(
    taken: ThreadingHTTPServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    look(settings, taken.server_port)
    [record] = caplog.records
    assert (record.levelname, "METRICS_PORT" in record.message) == ("WARNING", True)


def test_a_port_that_another_worker_has_is_nothing_to_tell(
    taken: ThreadingHTTPServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    taken.RequestHandlerClass.said = b"reveweb_build_info 1.0"  # type: ignore[attr-defined]
    look(settings, taken.server_port)
    assert not caplog.records


def test_what_a_run_starts_leaves_the_port_alone(tmp_path: Path) -> None:
    near = free_port()
    chosen = embedded.choose_ports(["valkey", "sandbox"], tmp_path, near, promised=near + 1)
    assert near + 1 not in chosen.values()
    (tmp_path / "ports.json").write_text(json.dumps({"valkey": near + 1}))  # as chosen before it was promised
    chosen = embedded.choose_ports(["valkey"], tmp_path, near, promised=near + 1)
    assert chosen["valkey"] != near + 1
