"""Data: the database, the shared memory of all processes, image files, static files."""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env as Environ

from reveweb.run import embedded
from reveweb.settings.env import BASE_DIR, env
from reveweb.settings.where import DEBUG, SECURE, VAR_DIR

# One number for each process says how many connections to the database it may have, and everything that uses one is
# counted from it: no setting can make more threads than there are connections for.
DATABASE_CONNECTIONS = env.whole("DATABASE_POOL_SIZE", 16, least=2)
API_CONNECTIONS = max(1, DATABASE_CONNECTIONS // 3)  # of the API's asynchronous pool, on PostgreSQL
ORM_CONNECTIONS = DATABASE_CONNECTIONS - API_CONNECTIONS
DATABASE_THREADS = max(1, ORM_CONNECTIONS // 2)  # of `kit.threads`
TASK_THREADS = max(1, min(env.whole("WORKER_THREADS", 16), ORM_CONNECTIONS - DATABASE_THREADS))  # of Celery
WATCH_THREADS = 1  # of `kit.threads` too, in web processes, where there are no tasks
FILE_THREADS = 4  # files on this machine
STORAGE_THREADS = 16  # where images are kept: it may hang, and they wait with it
PROCESSOR_THREADS = os.cpu_count() or 2  # of what computes, such as decoding images

DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'reveweb.sqlite3'}")
DATABASES = {"default": Environ.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "kit.sqlite3"  # whose writers queue
    DATABASES["default"]["OPTIONS"] = {
        # A transaction takes the write lock when it begins: two that read first and write later would
        # otherwise deadlock, and SQLite answers that with an error at once instead of waiting.
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,  # seconds until "database is locked"; nobody who writes takes a second
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # on disk: tests use several connections
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Requests run on short-lived threads, so connections are kept by a pool and not by a thread.
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": ORM_CONNECTIONS, "timeout": 20}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_REDIS = not env.text("REDIS_URL")
REDIS_URL = env.text("REDIS_URL") or f"redis://127.0.0.1:{embedded.port('valkey', VAR_DIR)}/0"
# The prefix keeps its keys apart from those of rate limits and the broker, which live in the same database.
# Part of other names there, so that two installations on one server do not meet. It says where the database is, which
# all processes of one share and no two do; the secret key may be changed.
REDIS_NAMESPACE = env.text("REDIS_NAMESPACE") or embedded.name_of(DATABASES["default"], VAR_DIR)
CACHES = {"default": {"BACKEND": "kit.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "reveweb-cache"}}

# --- Images

S3_BUCKET = env.text("S3_BUCKET")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "images", "allow_overwrite": True},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Seconds that a web process waits for a file until it says 503.
STORAGE_SECONDS = env.number("STORAGE_SECONDS", 15.0, least=0.1)
# Sends browsers to the bucket for images, at signed addresses, instead of passing the bytes through.
S3_REDIRECT = bool(S3_BUCKET) and env.flag("S3_REDIRECT", False)
if S3_REDIRECT and SECURE and env.text("S3_ENDPOINT_URL").startswith("http://"):
    raise ImproperlyConfigured(
        "S3_REDIRECT sends browsers to S3_ENDPOINT_URL, and a page on https may show nothing from plain http: give the "
        "bucket an https address, or leave S3_REDIRECT off."
    )
if S3_BUCKET:
    from boto3.s3.transfer import TransferConfig  # here, for they take a while and few need them
    from botocore.config import Config

    # The AWS client adds checksums to whatever it sends since 2025, which older MinIO, Backblaze and others refuse.
    s3_checksums = env.choice("S3_CHECKSUMS", "when_required", ["when_required", "when_supported"])
    s3_config = Config(
        # It would wait a minute for each of five tries.
        connect_timeout=env.number("S3_CONNECT_SECONDS", 2.0, least=0.1),
        read_timeout=env.number("S3_READ_SECONDS", 8.0, least=0.1),
        retries={"mode": "standard", "total_max_attempts": env.whole("S3_ATTEMPTS", 2, least=1)},
        request_checksum_calculation=s3_checksums,
        response_checksum_validation=s3_checksums,
        s3={"addressing_style": env.choice("S3_ADDRESSING", "auto", ["auto", "path", "virtual"])},
        max_pool_connections=2 * STORAGE_THREADS,
        # What it signs by default where a region still has it is a form that most other stores never had.
        **({"signature_version": "s3v4"} if S3_REDIRECT else {}),
    )

    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.text("S3_ENDPOINT_URL") or None,
            "region_name": env.text("S3_REGION") or None,
            "access_key": env.text("S3_ACCESS_KEY") or None,
            "secret_key": env.text("S3_SECRET_KEY") or None,
            "location": env.text("S3_PREFIX", "images"),
            "client_config": s3_config,
            "file_overwrite": True,
            "default_acl": None,
            # A file that is opened is fetched whole before it is sent on: beyond this many bytes onto the disk, not
            # into memory, where an export of gigabytes would have no room. One part at a time, for ten at once would
            # be held there until the disk has them.
            "max_memory_size": 1024 * 1024,
            "transfer_config": TransferConfig(use_threads=False),
        },
    }
# What only its owner may fetch: exports. Never under the path of the public images.
STORAGES["private"] = {
    **STORAGES["default"],
    "OPTIONS": {
        **STORAGES["default"]["OPTIONS"],
        "location": f"{env.text('S3_PREFIX', 'images')}-private" if S3_BUCKET else VAR_DIR / "private",
    },
}
# When set, image URLs start here instead of at PUBLIC_URL: a CDN whose origin is this site.
IMAGE_BASE_URL = env.address("IMAGE_BASE_URL")
IMAGE_MAX_BYTES = env.whole("IMAGE_MAX_BYTES", 32 * 1024 * 1024)
IMAGE_MAX_PIXELS = env.whole("IMAGE_MAX_PIXELS", 40_000_000)

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    *filter(Path.is_dir, [VAR_DIR / "own"]),  # what an operator has of their own, such as the landing page's pictures
    BASE_DIR / "static",
]
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600
