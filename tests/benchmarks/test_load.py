"""The parts of `make bench` do what its figures rest on."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.load import processes
from benchmarks.load.client import Load, percentile
from benchmarks.load.contestants import OPENAI_BODY, Upstream, ask
from benchmarks.load.flight import peak
from benchmarks.load.http import Message, answer, request, take
from benchmarks.load.installation import part_of
from benchmarks.load.measure import Player, play

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
# Burns half a second of processor in a child of its own, which then stays.
BURNS = (
    "import os,time\nif os.fork()==0:\n while time.process_time()<0.5: pass\n print('burnt',flush=True)\ntime.sleep(60)"
)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    folder = tmp_path_factory.mktemp("bench")
    for name in ("large.png", "small.png"):
        (folder / name).write_bytes(name.encode())
    server = Upstream(folder, [folder / "large.png", folder / "small.png"])
    yield server
    server.stop()


def submit(upstream: Upstream, prompt: str = "a lighthouse") -> dict[str, str]:
    job: dict[str, str] = ask(f"{upstream.url}/v1/reve-image/generate", {"prompt": prompt, "async": True})
    return job


def test_a_message_is_taken_once_it_is_whole() -> None:
    for message, body in ((answer(200, b"abcde"), b"abcde"), (CHUNKED, b"abcde"), (request("GET", "/", {}), b"")):
        data = bytearray()
        for at in range(len(message) - 1):
            data += message[at : at + 1]
            assert take(data) is None
        data += message[-1:] + b"next"
        assert take(data) == Message(message.split(b"\r\n")[0].decode(), body)
        assert data == b"next"


def test_an_instant_job_is_completed_at_once(upstream: Upstream) -> None:
    upstream.configure()
    job = submit(upstream)
    assert job["status"] == "completed"
    assert ask(f"{upstream.url}{job['url']}") is True
    [told] = upstream.jobs()
    assert told["prompt"] == "a lighthouse"
    assert told["submitted"] <= told["noticed"] <= told["fetched"] <= time.time()
    assert upstream.counts() == {"submits": 1, "openai": 0, "hanging": 0, "looks": 0, "fetched": 1}


def test_a_slow_job_is_pending_until_its_time(upstream: Upstream) -> None:
    upstream.configure(seconds=0.3)
    job, status = submit(upstream), f"{upstream.url}/v1/reve-image/status/"
    assert job["status"] == "pending"
    assert ask(status + job["id"])["status"] == "pending"
    processes.until(lambda: ask(status + job["id"])["status"] == "completed", 5, "it is done")
    [told] = upstream.jobs()
    assert told["looks"] >= 2
    assert told["noticed"] >= told["ready"] == told["submitted"] + 0.3
    assert ask(f"{status}job-4711") is None


def test_a_job_from_before_is_answered_and_not_counted(upstream: Upstream) -> None:
    upstream.configure()
    job = submit(upstream)
    upstream.configure()
    assert ask(f"{upstream.url}/v1/reve-image/status/{job['id']}")["id"] == job["id"]
    assert upstream.counts()["submits"] == 0


def test_a_submit_can_hang(upstream: Upstream) -> None:
    upstream.configure(hang=0.3)
    began = time.monotonic()
    assert submit(upstream)["status"] == "completed"
    assert time.monotonic() - began >= 0.3
    assert upstream.counts()["hanging"] == 1


def test_clients_count_what_the_upstream_counts(upstream: Upstream) -> None:
    upstream.configure()
    load = Load(upstream.port, "/v1/images/generations", 4, body=OPENAI_BODY, count=200, most=10)
    row = play(upstream, load)
    assert row.statuses == {"200": 200} == {"200": upstream.counts()["openai"]}
    assert 0 < row.p50 <= row.p95 < 1000
    assert row.rate > 0
    assert row.memory["process"] > 1


def test_what_is_no_success_is_told_apart(upstream: Upstream) -> None:
    player = Player(Load(upstream.port, "/nowhere", 2, "GET", count=6, keep=True, most=10))
    player.begun()
    outcome = player.outcome()
    player.stop()
    assert (outcome.statuses, outcome.missing, len(outcome.bodies)) == ({"404": 6}, 0, 6)


def test_the_processor_of_children_counts_and_they_end_too() -> None:
    with subprocess.Popen([sys.executable, "-c", BURNS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"burnt\n"
        family = processes.tree(process.pid)
        assert len(family) == 2
        assert 0.4 <= processes.cpu(family) <= 2
        assert processes.cpu([process.pid]) < 0.4
        assert processes.memory(family) > 1
        processes.end(process, grace=0.1)
    processes.until(lambda: not any(map(processes.command, family)), 5, "both are gone")


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("/x/python /x/granian --interface asgi reveweb.asgi:application", "web"),
        ("/x/python manage.py serve", "web"),
        ("/x/python manage.py work", "worker"),
        ("/x/python manage.py work --rest", "rest"),
        ("/x/python manage.py schedule", "scheduler"),
        ("/x/python /x/celery --quiet -A reveweb worker -B", "worker"),
        ("/x/python /x/supervisord -c deploy/supervisord.conf", "other"),
    ],
)
def test_every_process_has_its_part(command: str, part: str) -> None:
    assert part_of(command) == part


def test_a_busy_machine_is_told_from_an_idle_one() -> None:
    burn = "import time\nend=time.time()+60\nwhile time.time()<end: pass"
    with subprocess.Popen([sys.executable, "-c", burn]) as process:
        assert processes.busy(0.3) > 0.3
        processes.end(process, grace=0)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.95)) == (50, 95, 7)


def test_the_peak_is_where_most_overlap() -> None:
    assert peak([(0, 10), (1, 3), (2, 4), (5, 6)]) == 3
