"""Nothing that an operator wrote in the URL of a server is lost, whoever connects to it."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from reveweb.run import embedded
from reveweb.settings import links
from tests import ROOT
from tests.tls import certificate, tls_in_front_of

RABBITMQ = 5672


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `script` in a process with settings of its own."""
    env = {**os.environ, "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "reveweb.settings", **environment}
    begin = "import django, json; django.setup(); "
    return subprocess.run(
        [sys.executable, "-c", begin + script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


def manage(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "VAR_DIR": str(folder), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


# --- PostgreSQL


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgres://u:p@h:5433/d", {"USER": "u", "PASSWORD": "p", "HOST": "h", "PORT": "5433", "NAME": "d"}),
        ("postgresql://u:p%40%2F%25@h/d", {"PASSWORD": "p@/%"}),
        ("postgres://u:p@ss#1%@h/d", {"PASSWORD": "p@ss#1%", "HOST": "h"}),
        ("postgres://u@one:1,two:2/d", {"HOST": "one,two", "PORT": "1,2"}),
        ("postgres:///d?host=/run/postgresql", {"HOST": "/run/postgresql", "NAME": "d"}),
        ("postgres://%2Frun%2Fpostgresql/d", {"HOST": "/run/postgresql"}),
        ("postgres://u@[::1]:5432/d", {"HOST": "::1", "PORT": "5432"}),
        ("postgres://h/a+b%20c", {"NAME": "a+b c"}),
        ("postgres://h/d?sslmode=verify-full", {"OPTIONS": {"sslmode": "verify-full"}}),
        (
            "postgres://h/d?connect_timeout=3&options=-c%20x%3Dy&application_name=a%26b",
            {"OPTIONS": {"connect_timeout": "3", "options": "-c x=y", "application_name": "a&b"}},
        ),
        ("postgres:///?service=mine", {"NAME": "", "OPTIONS": {"service": "mine"}}),
        ("postgres://h/d?conn_health_checks=true&conn_max_age=0", {"CONN_HEALTH_CHECKS": True, "OPTIONS": {}}),
        ("postgres://h/d?disable_server_side_cursors=1", {"DISABLE_SERVER_SIDE_CURSORS": True, "OPTIONS": {}}),
    ],
)
def test_each_part_of_a_postgresql_url_is_where_it_belongs(url: str, found: dict[str, Any]) -> None:
    database = links.database("DATABASE_URL", url)
    assert {name: database[name] for name in found} == found


@pytest.mark.parametrize(
    "query",
    [
        "sslmod=verify-full",
        "conn_max_age=60",
        "atomic_requests=true",
        "sslmode=",
        "sslmode=a&sslmode=b",
        "x",
        "pool=true",
    ],
)
def test_what_nobody_would_understand_is_refused(query: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL: .*[.]$") as refusal:
        links.database("DATABASE_URL", f"postgres://u:hunter2@h/d?{query}")
    assert "hunter2" not in str(refusal.value)


def _postgres_url(**query: str) -> str:
    if connection.vendor != "postgresql":
        pytest.skip("it is about PostgreSQL")
    parts = connection.settings_dict
    tail = "&".join(f"{name}={value}" for name, value in query.items())
    return f"postgres://{parts['USER']}@{parts['HOST']}:{parts['PORT'] or 5432}/{parts['NAME']}?{tail}"


@pytest.mark.services
@pytest.mark.django_db
def test_a_server_without_tls_is_refused_where_tls_is_asked_for(tmp_path: Path) -> None:
    began = time.monotonic()
    for query in (
        {"sslmode": "verify-full"},
        {"sslmode": "bogus"},
        {"channel_binding": "require", "sslmode": "require"},
    ):
        answer = manage("migrate", "--check", folder=tmp_path, DATABASE_URL=_postgres_url(**query))
        assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (1, "", 1), answer.stderr
        assert "SSL" in answer.stderr or "sslmode" in answer.stderr
    assert time.monotonic() - began < 50  # a pool alone would try for twenty seconds each time


BOTH = """
import asyncio
from django.db import connection
from kit import postgres
asked = "SELECT current_setting('application_name'), current_setting('statement_timeout')"
cursor = connection.cursor()
cursor.execute(asked)
print(json.dumps([cursor.fetchone(), asyncio.run(postgres.row(asked, {}))]))
"""


@pytest.mark.services
@pytest.mark.django_db
def test_both_kinds_of_connections_have_the_parameters(tmp_path: Path) -> None:
    url = _postgres_url(application_name="of-the-operator", options="-c%20statement_timeout%3D12345")
    done = run(BOTH, tmp_path, DATABASE_URL=url)
    assert json.loads(done.stdout) == [["of-the-operator", "12345ms"]] * 2, done.stderr


@pytest.mark.services
@pytest.mark.django_db
def test_the_apis_own_connections_ask_for_tls_too(tmp_path: Path) -> None:
    script = "import asyncio; from kit import postgres; asyncio.run(postgres.row('SELECT 1', {}))"
    done = run(script, tmp_path, DATABASE_URL=_postgres_url(sslmode="require"))
    assert "server does not support SSL" in done.stderr


# --- SQLite


def test_sqlite_is_a_file_with_any_name() -> None:
    assert links.database("DATABASE_URL", "sqlite:////srv/a+b%20c/x.sqlite3")["NAME"] == "/srv/a+b c/x.sqlite3"
    assert links.database("DATABASE_URL", "sqlite:///x.sqlite3?timeout=5")["NAME"] == str(ROOT / "x.sqlite3")


def test_sqlites_patience_is_what_the_url_says(tmp_path: Path) -> None:
    script = "from django.conf import settings as s; print(json.dumps(s.DATABASES['default']['OPTIONS']))"
    options = json.loads(run(script, tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/x?timeout=5").stdout)
    assert (options["timeout"], options["transaction_mode"]) == (5.0, "IMMEDIATE")


def test_a_folder_with_odd_characters_holds_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%20d"
    done = run("from django.db import connection; connection.ensure_connection()", folder, DATABASE_URL="")
    assert done.returncode == 0, done.stderr
    assert (folder / "reveweb.sqlite3").is_file()


@pytest.mark.parametrize("url", ["sqlite://host/x", "sqlite://:memory:", "sqlite:///", "sqlite:///x?mode=ro"])
def test_an_sqlite_url_that_means_no_file_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL"):
        links.database("DATABASE_URL", url)


# --- Redis

CLIENTS = """
import asyncio, redis
from django.conf import settings
from django.core.cache import cache
from celery import current_app
from generator import live
from generator.ask import limits
from kit import cache as cache_module, nights, pulse, wakeups
from reveweb.celery import app


def cached():
    cache.set("x", 1)
    if cache_module._away["until"]:
        raise OSError("in memory")


async def limited():
    await limits.peek_soon(limits.Window("test", 1, 10))


async def heard():
    hub = live._hub()
    await asyncio.wait_for(hub.subscribed.wait(), PATIENCE)


def told():
    with app.connection_for_write(connect_timeout=PATIENCE) as broker:
        broker.ensure_connection(max_retries=1, timeout=PATIENCE)
        broker.default_channel.queue_declare("settings-links-test", auto_delete=True)
        broker.default_channel.queue_delete("settings-links-test")


tries = {
    "cache": cached,
    "pulse": lambda: pulse.beat("test"),
    "limits": lambda: limits._asked(limits.Window("test", 1, 10), 0),
    "limits on a loop": lambda: asyncio.run(limited()),
    "live": lambda: asyncio.run(heard()),
    "wakeups": lambda: wakeups._publisher(settings.REDIS_URL).ping(),
    "broker": told,
}
answers = {}
for name, attempt in tries.items():
    try:
        attempt()
        answers[name] = "ok"
    except Exception as error:
        answers[name] = repr(error)
print(json.dumps(answers))
"""
NAMES = {"cache", "pulse", "limits", "limits on a loop", "live", "wakeups", "broker"}


def clients(folder: Path, url: str, *, patience: float = 30) -> dict[str, str]:
    """Let each client try it; one waits for `patience` seconds in any case where it is not let in."""
    done = run(f"PATIENCE = {patience}\n{CLIENTS}", folder, REDIS_URL=url, CELERY_BROKER_URL="")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Give the port of a Redis that wants TLS, and the file that proves who it is."""
    port = urlsplit(settings.REDIS_URL).port or 6379
    with socket.create_connection(("127.0.0.1", port)):
        pass  # the embedded one starts when somebody comes
    file = certificate(tmp_path_factory.mktemp("tls"))
    with tls_in_front_of(port, file) as front:
        yield front, file


def test_every_client_of_redis_speaks_tls_and_knows_the_certificate(secured: tuple[int, Path], tmp_path: Path) -> None:
    port, file = secured
    answers = clients(tmp_path, f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={file}")
    assert answers == dict.fromkeys(NAMES, "ok")


def test_no_client_of_redis_takes_a_certificate_that_nobody_vouches_for(
    secured: tuple[int, Path], tmp_path: Path
) -> None:
    answers = clients(tmp_path, f"rediss://127.0.0.1:{secured[0]}/0", patience=3)
    assert answers.keys() == NAMES
    assert [name for name, answer in answers.items() if answer == "ok"] == []


def test_an_operator_may_say_that_no_certificate_counts(secured: tuple[int, Path], tmp_path: Path) -> None:
    answers = clients(tmp_path, f"rediss://127.0.0.1:{secured[0]}/0?ssl_cert_reqs=CERT_NONE")
    assert answers == dict.fromkeys(NAMES, "ok")


@pytest.fixture
def redis_on_a_socket(tmp_path: Path) -> Iterator[str]:
    """Give the URL of a Redis with a password that listens on a Unix socket alone."""
    server = shutil.which("redis-server") or shutil.which("valkey-server") or str(embedded.valkey_server())
    path, log = tmp_path / "s", tmp_path / "log"
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--requirepass",
        "p@/s#s",
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen([server, *options, "--logfile", str(log)])
    try:
        end = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield f"unix://:p%40%2Fs%23s@{path}?db=3"
    finally:
        process.terminate()
        process.wait(60)


def test_every_client_of_redis_finds_its_socket(redis_on_a_socket: str, tmp_path: Path) -> None:
    assert clients(tmp_path / "var", redis_on_a_socket) == dict.fromkeys(NAMES, "ok")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("redis://h", "redis://h/0"),
        ("redis://u:p%40%2F@h:1/2", "redis://u:p%40%2F@h:1/2"),
        ("redis://h?db=4&username=u&password=p%26", "redis://u:p%26@h/4"),
        ("redis://:secret@h/", "redis://:secret@h/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://h/1?client_name=web&health_check_interval=5", "redis://h/1?client_name=web&health_check_interval=5"),
    ],
)
def test_each_part_of_a_redis_url_has_one_place(url: str, same: str) -> None:
    assert links.redis("REDIS_URL", url) == same


@pytest.mark.parametrize(
    "query", ["decode_responses=true", "socket_timeout=9", "ssl_cert_reqs=none", "db=x", "db=1&db=2", "foo=1"]
)
def test_a_parameter_of_redis_that_would_do_harm_or_nothing_is_refused(query: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL: ") as refusal:
        links.redis("REDIS_URL", f"redis://:hunter2@h/?{query}")
    assert "hunter2" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL: ssl_ca_certs is not a file: '/nowhere'"):
        links.redis("REDIS_URL", "rediss://h/0?ssl_ca_certs=/nowhere")


# --- The broker


def test_the_brokers_parameters_are_celerys_settings(tmp_path: Path) -> None:
    names = ["READ_URL", "WRITE_URL", "USE_SSL", "HEARTBEAT", "CONNECTION_TIMEOUT"]
    script = f"from reveweb.celery import app; print(json.dumps([app.conf['broker_' + n.lower()] for n in {names}]))"
    url = "amqp://u:p%40@h:5673/v%2Fhost?heartbeat=7&connection_timeout=3"
    done = run(script, tmp_path, CELERY_BROKER_URL=url)
    assert json.loads(done.stdout) == ["amqp://u:p%40@h:5673/v%2Fhost"] * 2 + [None, 7.0, 3.0], done.stderr


def test_a_broker_over_tls_has_to_prove_who_it_is() -> None:
    assert links.broker("CELERY_BROKER_URL", "amqps://h").tls == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "h",
    }
    assert links.broker("CELERY_BROKER_URL", "rediss://h").tls == {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


def test_several_brokers_stand_between_semicolons() -> None:
    broker = links.broker("CELERY_BROKER_URL", "amqp://a/x?heartbeat=5; amqp://b:1/x?heartbeat=5")
    assert (broker.url, broker.heartbeat) == ("amqp://a:5672/x;amqp://b:1/x", 5.0)
    with pytest.raises(ImproperlyConfigured, match="same parameters"):
        links.broker("CELERY_BROKER_URL", "amqp://a?heartbeat=5;amqp://b")


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_broker_is_none(tmp_path: Path, blank: str) -> None:
    """Celery reads that variable too, and would take a blank for RabbitMQ on this machine."""
    script = "from reveweb.celery import app; print(json.dumps([app.connection_for_write().transport_cls]))"
    assert json.loads(run(script, tmp_path, CELERY_BROKER_URL=blank).stdout) == ["redis"]


CONNECT = """
from reveweb.celery import app
with app.connection_for_write(connect_timeout=30) as broker:
    broker.ensure_connection(max_retries=1, timeout=30)
print("connected")
"""


@pytest.mark.services
def test_rabbitmq_over_tls(tmp_path: Path) -> None:
    try:
        socket.create_connection(("127.0.0.1", RABBITMQ), 10).close()
    except OSError:
        pytest.skip("there is no RabbitMQ")
    file = certificate(tmp_path)
    with tls_in_front_of(RABBITMQ, file) as port:
        url = f"amqps://guest:guest@127.0.0.1:{port}//"
        known = run(CONNECT, tmp_path, CELERY_BROKER_URL=f"{url}?ssl_ca_certs={file}")
        unknown = run(CONNECT, tmp_path, CELERY_BROKER_URL=url)
    assert known.stdout == "connected\n", known.stderr
    assert unknown.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in unknown.stderr


# --- Mail


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtp://h", ("h", 25, "", "", False, False, 10.0)),
        ("smtp+tls://u:p%40@h", ("h", 587, "u", "p@", True, False, 10.0)),
        ("smtp+ssl://u:p@h?timeout=3", ("h", 465, "u", "p", False, True, 3.0)),
        ("smtps://u:p@h:465", ("h", 465, "u", "p", False, True, 10.0)),
        ("smtps://u:p@h:587", ("h", 587, "u", "p", True, False, 10.0)),
        ("smtp+tls://u:a@b#c@[::1]:1587/", ("::1", 1587, "u", "a@b#c", True, False, 10.0)),
    ],
)
def test_each_part_of_a_mail_servers_url_is_where_it_belongs(url: str, found: tuple[Any, ...]) -> None:
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL", "TIMEOUT")
    mail = links.mail("EMAIL_URL", url)
    assert tuple(mail[f"EMAIL_{name}"] for name in names) == found


def test_mails_without_a_server_are_asked_for_by_name(tmp_path: Path) -> None:
    assert links.mail("EMAIL_URL", "folder://") == {"EMAIL_BACKEND": "reveweb.local_mail.FolderBackend"}
    assert links.mail("EMAIL_URL", "filemail:///srv/m")["EMAIL_FILE_PATH"] == "/srv/m"


Read = Callable[[str, str], Any]


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (links.mail, "smtp://h?use_tls=1"),
        (links.mail, "smtp://h?ssl_certfile=/x"),
        (links.broker, "amqp://h?ssl_ca_certs=/x"),
        (links.broker, "amqp://h?frame_max=1"),
        (links.redis, "redis://h#x"),
    ],
)
def test_other_parameters_are_refused_by_their_name(read: Read, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^THE_URL: ") as refusal:
        read("THE_URL", url)
    assert "\n" not in str(refusal.value)
