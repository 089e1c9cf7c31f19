"""Faults of this machine, its configuration, its database and its processes."""

import os
import resource
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from billing.models import OutgoingMail, StripeEvent, Wallet
from generator.models import Pause
from generator.webhooks import courier
from kit import pulse
from kit.broker import Line
from reveweb.backup.models import NightlyBackup
from reveweb.celery import app
from reveweb.doctor.checks import broker, database, machine
from reveweb.doctor.findings import Level
from tests.doctor.planting import Site, planted
from tests.environment import free_port

SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's")
POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's")
PUBLIC = "https://images.example.com"


@planted("mode-debug", "mode", Level.FAULT, cause="DEBUG is on while PUBLIC_URL is https://", cure="Take DEBUG out")
def debug_in_public(site: Site) -> None:
    site.settings.DEBUG, site.settings.PUBLIC_URL = True, PUBLIC


@planted("mode-sandbox", "mode", Level.WARNING, cause="the sandbox draws", cure="Set REVE_API_KEY")
def sandbox_in_public(site: Site) -> None:
    site.settings.SECURE, site.settings.PUBLIC_URL = True, PUBLIC


@planted("secret-key-weak", "secret-key", Level.FAULT, cause="placeholder", cure="secrets.token_urlsafe(50)")
def placeholder_as_secret(site: Site) -> None:
    site.settings.SECRET_KEY, site.settings.PUBLIC_URL = "changeme" * 8, PUBLIC


@planted("secret-key-former", "secret-key", Level.NOTE, cause="1 former keys", cure="upstreams --reseal")
def former_secret(site: Site) -> None:
    site.settings.SECRET_KEY_FALLBACKS = ["a-former-secret-of-fifty-characters-and-some-more"]


@planted("hosts-lacking", "hosts", Level.FAULT, cause="lacks images.example.com", cure="Add images.example.com")
def host_not_allowed(site: Site) -> None:
    site.settings.PUBLIC_URL, site.settings.ALLOWED_HOSTS = PUBLIC, ["old.example.com"]


@planted("hosts-any", "hosts", Level.WARNING, cause="ALLOWED_HOSTS is *", cure="leave ALLOWED_HOSTS unset")
def any_host(site: Site) -> None:
    site.settings.PUBLIC_URL, site.settings.ALLOWED_HOSTS = PUBLIC, ["*"]


@planted("cookies-clear", "cookies", Level.FAULT, cause="in the clear", cure="a proxy with TLS")
def public_in_the_clear(site: Site) -> None:
    site.settings.PUBLIC_URL = "http://images.example.com"


@planted("cookies-insecure", "cookies", Level.FAULT, cause="SESSION_COOKIE_SECURE", cure="settings/where.py")
def insecure_cookies(site: Site) -> None:
    site.settings.SECURE, site.settings.PUBLIC_URL, site.settings.SESSION_COOKIE_SECURE = True, PUBLIC, False


@planted("env-file-open", "env-file", Level.FAULT, cause="mode 644", cure="chmod 600")
def readable_env_file(site: Site) -> None:
    path = site.folder / ".env"
    path.write_text("SECRET_KEY=…")
    path.chmod(0o644)
    site.settings.BASE_DIR = site.folder


@planted("django-security.W018", "django", Level.WARNING, cause="DEBUG set to True", cure="docs.djangoproject.com")
def what_django_finds(site: Site) -> None:
    site.settings.DEBUG, site.settings.PUBLIC_URL = True, PUBLIC


@planted(
    "database-network",
    "database",
    Level.FAULT,
    cause="network file system (nfs4)",
    cure="Move VAR_DIR",
    marks=SQLITE,
)
def database_on_nfs(site: Site) -> None:
    site.patch.setattr("reveweb.doctor.checks.database.file_system", lambda path: "nfs4")


@planted(
    "database-unreachable",
    "database",
    Level.FAULT,
    cause="unable to open database file",
    cure="DATABASE_URL",
    marks=SQLITE,
)
def no_database(site: Site) -> None:
    elsewhere = str(site.folder / "not-there" / "reveweb.sqlite3")
    site.stack.enter_context(patch.dict(connections.settings["default"], {"NAME": elsewhere}))


@planted("database-version", "database", Level.FAULT, cause="is older than 99", cure="system", marks=SQLITE)
def old_sqlite(site: Site) -> None:
    site.patch.setattr(database, "LEAST_SQLITE", (99, 0, 0))


@planted("connections-full", "connections", Level.FAULT, cause="are in use", cure="pg_stat_activity", marks=POSTGRESQL)
def exhausted_server(site: Site) -> None:
    site.patch.setattr(database, "FULL", 0.0)


@planted("redis-version", "redis", Level.FAULT, cause="is older than 99.0", cure="Upgrade it")
def old_redis(site: Site) -> None:
    site.patch.setattr(broker, "LEAST_VERSION", (99, 0))


@planted("redis-slow", "redis", Level.WARNING, cause="An answer takes", cure="near the site")
def slow_redis(site: Site) -> None:
    site.patch.setattr(broker, "SLOW_SECONDS", 0.0)


@planted("migrations-missing", "migrations", Level.FAULT, cause="not applied: reveweb.", cure="manage.py migrate")
def unapplied_migration(site: Site) -> None:
    recorder = MigrationRecorder(connection)
    [newest] = MigrationLoader(connection).graph.leaf_nodes("reveweb")
    recorder.record_unapplied(*newest)
    site.stack.callback(recorder.record_applied, *newest)


@planted("migrations-newer", "migrations", Level.WARNING, cause="billing.9999_of_the_future", cure="Finish the upgrade")
def newer_database(site: Site) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("billing", "9999_of_the_future")
    site.stack.callback(recorder.record_unapplied, "billing", "9999_of_the_future")


@planted("pool-small", "pool", Level.WARNING, cause="WORKER_THREADS asks for 64", cure="DATABASE_POOL_SIZE to 190")
def more_threads_than_connections(site: Site) -> None:
    site.patch.setenv("WORKER_THREADS", "64")


@planted(
    "connections-few",
    "connections",
    Level.WARNING,
    cause="and PostgreSQL gives out",
    cure="Set max_connections to",
    marks=POSTGRESQL,
)
def more_connections_than_the_server_has(site: Site) -> None:
    site.settings.DATABASE_CONNECTIONS = 1000


@planted("ledger-drift", "ledger", Level.FAULT, cause="The books drift", cure="audit_ledger")
def drifting_books(site: Site) -> None:
    from accounts.models import User
    from billing import ledger

    wallet = ledger.wallet_of(User.objects.create(email="alice@example.com").pk)
    Wallet.objects.filter(pk=wallet.pk).update(balance=999)


@planted("ledger-uncompared", "ledger", Level.WARNING, cause="was never compared", cure="Compare now")
def large_ledger_that_nobody_compares(site: Site) -> None:
    from accounts.models import User
    from billing import ledger
    from tests.billing.books import grant

    grant(ledger.wallet_of(User.objects.create(email="alice@example.com").pk), 3, reference="pack:1")
    site.patch.setattr(database, "LARGE", 0)


@planted("mails-given-up", "mails", Level.WARNING, cause="1 mail was given up in the last 7 days", cure="Admin → Mails")
def mail_that_was_given_up(site: Site) -> None:
    OutgoingMail.objects.create(reference="lost", to="a@example.com", template="x", failed_at=timezone.now())


@planted("redis-unreachable", "redis", Level.FAULT, cause="cannot be reached", cure="REDIS_URL")
def no_redis(site: Site) -> None:
    site.settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"


@planted("redis-refused", "redis", Level.FAULT, cause="refuses us", cure="password in REDIS_URL")
def redis_that_wants_a_password(site: Site) -> None:
    site.valkey("--requirepass", "another-password")
    site.settings.REDIS_URL = site.settings.REDIS_URL.replace("://", "://:a-wrong-password@")


@planted("redis-replica", "redis", Level.FAULT, cause="a replica", cure="name the primary")
def replica(site: Site) -> None:
    site.valkey("--replicaof", f"127.0.0.1 {free_port()}")


@planted("redis-memory-evicting", "redis-memory", Level.FAULT, cause="allkeys-lru", cure="noeviction")
def evicting_redis(site: Site) -> None:
    site.valkey("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")


@planted("redis-memory-full", "redis-memory", Level.FAULT, cause="of its memory is in use", cure="Raise maxmemory")
def full_redis(site: Site) -> None:
    site.valkey("--maxmemory", "900kb")


@planted("redis-persistence-off", "redis-persistence", Level.WARNING, cause="keeps nothing", cure="appendonly yes")
def forgetful_redis(site: Site) -> None:
    site.valkey("--save", "", "--appendonly", "no")


@planted("broker-unreachable", "broker", Level.FAULT, cause="The broker (amqp) cannot be", cure="CELERY_BROKER_URL")
def no_rabbitmq(site: Site) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    site.settings.CELERY_BROKER_URL = url
    site.patch.setattr(app, "connection_for_write", lambda **named: app.amqp.Connection(url, **named))


@planted("broker-standing", "broker", Level.WARNING, cause="120 messages stand in the queue rest", cure="work --rest")
def standing_queue(site: Site) -> None:
    site.patch.setattr(Line, "waiting", lambda line, queue: 120 if queue.routing_key == "rest" else 0)


def silenced(name: str, ago: float) -> Any:
    """Return what makes a process be heard for the last time so long ago."""

    def plant(site: Site) -> None:
        pulse._client().hset(pulse._key(), name, str(time.time() - ago))

    return plant


for name, command in {"scheduler": "schedule", "worker": "work", "money": "work", "rest": "work --rest"}.items():
    planted(f"{name}-silent", name, Level.FAULT, cause="last heard 90 seconds ago", cure=command)(silenced(name, 90))


@planted(f"{courier.PULSE}-silent", courier.PULSE, Level.FAULT, cause="never heard", cure="work --rest")
def nobody_sends_webhooks(site: Site) -> None:
    pulse.forget(courier.PULSE)


@planted("versions-differ", "versions", Level.WARNING, cause="(rest) is of version 0.0.1", cure="restart every process")
def older_worker(site: Site) -> None:
    pulse.beat("version:rest:0.0.1")


@planted("queue-stalled", "queue", Level.FAULT, cause="has been due for", cure="Restart the workers")
def stalled_queue(site: Site) -> None:
    site.patch.setattr("reveweb.health.due", lambda heard: SimpleNamespace(late=77.0, is_stalled=True))


@planted("backups-failing", "backups", Level.FAULT, cause="backup failed: the disk is full", cure="manage.py backup")
def backup_that_failed(site: Site) -> None:
    site.settings.BACKUP_TO, now = "/backups", timezone.now()
    NightlyBackup.objects.create(night=now.date(), failed_at=now, last_error="the disk is full")


@planted("backups-none", "backups", Level.NOTE, cause="BACKUP_TO is not set", cure="Set BACKUP_TO")
def no_backups(site: Site) -> None:
    site.settings.PRODUCTION = True


@planted("intake-paused", "intake", Level.NOTE, cause="Intake is paused: all models", cure="Admin → Intake")
def paused_intake(site: Site) -> None:
    Pause.objects.create(model=None)


@planted("mails-late", "mails", Level.FAULT, cause="1 mail waits", cure="Admin → Mails")
def late_mail(site: Site) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    OutgoingMail.objects.create(
        reference="late", to="a@example.com", template="x", due_at=long_ago, created_at=long_ago
    )


@planted("stripe-events-waiting", "stripe-events", Level.FAULT, cause="invoice.paid: KeyError", cure="Stripe events")
def event_that_fails(site: Site) -> None:
    event = StripeEvent.objects.create(id="evt_1", type="invoice.paid", payload={}, last_error="KeyError('x')")
    StripeEvent.objects.filter(pk=event.pk).update(received_at=timezone.now() - timedelta(hours=1))


def short_of(**found: int) -> Any:
    """Return what makes each file system be as full as that."""
    usual = {
        "f_bavail": 50_000_000,
        "f_frsize": 4096,
        "f_blocks": 60_000_000,
        "f_files": 1_000_000,
        "f_favail": 900_000,
    }

    def plant(site: Site) -> None:
        site.patch.setattr(os, "statvfs", lambda place: SimpleNamespace(**{**usual, **found}))

    return plant


planted("disk-full", "disk", Level.FAULT, cause="39 MiB left", cure="Make room")(short_of(f_bavail=10_000))
planted("disk-low", "disk", Level.WARNING, cause="1.1 GiB left", cure="Make room")(short_of(f_bavail=300_000))
planted("disk-inodes", "disk", Level.FAULT, cause="100 inodes left", cure="very many small")(short_of(f_favail=100))


@planted("folder-unwritable", "folder", Level.FAULT, cause="cannot be written", cure="chown")
def unwritable_folder(site: Site) -> None:
    site.settings.VAR_DIR = site.folder / "not-there"


@planted("folder-open", "folder", Level.FAULT, cause="Others on this machine", cure="chmod 700")
def open_folder(site: Site) -> None:
    site.folder.chmod(0o755)
    site.settings.VAR_DIR = site.folder


@planted("open-files-few", "open-files", Level.WARNING, cause="may open 1024 files", cure="LimitNOFILE")
def few_open_files(site: Site) -> None:
    site.patch.setattr(resource, "getrlimit", lambda what: (1024, 1024))


@planted("static-missing", "static", Level.FAULT, cause="never collected", cure="collectstatic --noinput")
def no_static_files(site: Site) -> None:
    site.settings.STATIC_ROOT = site.folder


@planted("static-stale", "static", Level.FAULT, cause="css/admin.css", cure="collectstatic --noinput")
def stale_static_files(site: Site) -> None:
    root = site.settings.STATIC_ROOT
    for entry in os.scandir(root):
        (site.folder / entry.name).symlink_to(entry.path)
    (site.folder / "css").unlink()
    (site.folder / "css").mkdir()
    for entry in os.scandir(root / "css"):
        (site.folder / "css" / entry.name).symlink_to(entry.path)
    (site.folder / "css" / "admin.css").unlink()
    (site.folder / "css" / "admin.css").write_text("/* of an earlier version */")
    site.settings.STATIC_ROOT = site.folder


@planted("clock-off", "clock", Level.FAULT, cause="120 seconds behind Redis", cure="timedatectl")
def slow_clock(site: Site) -> None:
    site.patch.setattr(machine, "time", SimpleNamespace(time=lambda: time.time() - 120))
