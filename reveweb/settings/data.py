"""Data: the database, the shared memory of all processes, image files, static files."""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from reveweb.run import embedded
from reveweb.settings import certificate, links
from reveweb.settings.env import BASE_DIR, NO, env
from reveweb.settings.where import DEBUG, SECURE, VAR_DIR

# One number for each process says how many connections to the database it may have, and everything that uses one is
# counted from it: no setting can make more threads than there are connections for.
DATABASE_CONNECTIONS = env.whole("DATABASE_POOL_SIZE", 16, least=2, most=1000)
API_CONNECTIONS = max(1, DATABASE_CONNECTIONS // 3)  # of the API's asynchronous pool, on PostgreSQL
ORM_CONNECTIONS = DATABASE_CONNECTIONS - API_CONNECTIONS
DATABASE_THREADS = max(1, ORM_CONNECTIONS // 2)  # of `kit.threads`
TASK_THREADS = max(
    1, min(env.whole("WORKER_THREADS", 16, least=1, most=1000), ORM_CONNECTIONS - DATABASE_THREADS)
)  # of Celery
WATCH_THREADS = 1  # of `kit.threads` too, in web processes, where there are no tasks
FILE_THREADS = 4  # files on this machine
STORAGE_THREADS = 16  # where images are kept: it may hang, and they wait with it
PROCESSOR_THREADS = os.cpu_count() or 2  # of what computes, such as decoding images

DATABASE_URL = env.text("DATABASE_URL")
DATABASES: dict[str, dict[str, Any]] = {
    "default": links.database("DATABASE_URL", DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "reveweb.sqlite3"), "OPTIONS": {}}
}
# What the URL asks for comes last: nothing that somebody wrote there is lost.
_ASKED_FOR = DATABASES["default"]["OPTIONS"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "kit.sqlite3"  # whose writers queue
    DATABASES["default"]["OPTIONS"] = {
        # A transaction takes the write lock when it begins: two that read first and write later would
        # otherwise deadlock, and SQLite answers that with an error at once instead of waiting.
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,  # seconds until "database is locked"; nobody who writes takes a second
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        **_ASKED_FOR,
    }
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # on disk: tests use several connections
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["ENGINE"] = "kit.postgresql"  # whose pool lends nothing that the server has ended
    # Requests run on short-lived threads, so connections are kept by a pool and not by a thread.
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": ORM_CONNECTIONS, "timeout": 20},
        **_ASKED_FOR,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_REDIS = not env.text("REDIS_URL")
REDIS_URL = links.redis("REDIS_URL", env.text("REDIS_URL") or f"redis://127.0.0.1:{embedded.port('valkey', VAR_DIR)}/0")
# The prefix keeps its keys apart from those of rate limits and the broker, which live in the same database.
# Part of all names there and at the broker, so that two installations on one server do not meet. Unless it is set it is
# the name that is stored with the installation's rows (`kit.site`).
REDIS_NAMESPACE = env.word("REDIS_NAMESPACE", r"[\w.-]{1,100}", "letters, digits, dots and dashes")
CACHES = {"default": {"BACKEND": "kit.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "reveweb-cache"}}

# --- Images

_BUCKET = r"[a-z0-9][a-z0-9._-]{1,62}|arn:aws[\w-]*:s3[\w-]*:[\w:./-]+"
S3_BUCKET = env.word("S3_BUCKET", _BUCKET, "the name of a bucket: small letters, digits, dots and dashes")
S3_PREFIX = env.word("S3_PREFIX", r"/*\w[\w.-]*(/\w[\w.-]*)*/*", "a folder, as in images", "images").strip("/")
S3_ENDPOINT_URL = env.address("S3_ENDPOINT_URL")
S3_REGION = env.word("S3_REGION", r"[\w-]+", "a region, as in eu-central-1")
S3_ACCESS_KEY, S3_SECRET_KEY = env.key("S3_ACCESS_KEY"), env.key("S3_SECRET_KEY")
env.both("S3_ACCESS_KEY", "S3_SECRET_KEY")
for _name in ("S3_ENDPOINT_URL", "S3_REGION", "S3_ACCESS_KEY", "S3_REDIRECT"):
    if not S3_BUCKET and env.text(_name) and env.text(_name).lower() not in NO:
        raise ImproperlyConfigured(f"S3_BUCKET is not set; {_name} needs it.")
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
S3_REDIRECT = env.flag("S3_REDIRECT", False)
if S3_REDIRECT and SECURE and S3_ENDPOINT_URL.startswith("http://"):
    raise ImproperlyConfigured(
        "S3_REDIRECT sends browsers to S3_ENDPOINT_URL, and a page on https may show nothing from plain http: give the "
        "bucket an https address, or leave S3_REDIRECT off."
    )
# How long the bucket may take; the AWS client would wait a minute for each of five tries.
S3_CONNECT_SECONDS = env.number("S3_CONNECT_SECONDS", 2.0, least=0.1)
S3_READ_SECONDS = env.number("S3_READ_SECONDS", 8.0, least=0.1)
S3_ATTEMPTS = env.whole("S3_ATTEMPTS", 2, least=1, most=10)
# It adds checksums of its own to whatever it sends since 2025, which older MinIO, Backblaze and others refuse.
S3_CHECKSUMS = env.choice("S3_CHECKSUMS", "when_required", ["when_required", "when_supported"])
S3_ADDRESSING = env.choice("S3_ADDRESSING", "auto", ["auto", "path", "virtual"])
if S3_BUCKET:
    from boto3.s3.transfer import TransferConfig  # here, for they take a while and few need them
    from botocore.config import Config

    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": S3_ENDPOINT_URL or None,
            "region_name": S3_REGION or None,
            "access_key": S3_ACCESS_KEY or None,
            "secret_key": S3_SECRET_KEY or None,
            "location": S3_PREFIX,
            "client_config": Config(
                connect_timeout=S3_CONNECT_SECONDS,
                read_timeout=S3_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": S3_ATTEMPTS},
                request_checksum_calculation=S3_CHECKSUMS,
                response_checksum_validation=S3_CHECKSUMS,
                s3={"addressing_style": S3_ADDRESSING},
                max_pool_connections=2 * STORAGE_THREADS,
                # What it signs by default where a region still has it is a form that most other stores never had.
                **({"signature_version": "s3v4"} if S3_REDIRECT else {}),
            ),
            "file_overwrite": True,
            "default_acl": None,
            # A file that is opened is fetched whole before it is sent on: beyond this many bytes onto the disk, not
            # into memory, where an export of gigabytes would have no room. One part at a time, for ten at once would
            # be held there until the disk has them.
            "max_memory_size": 1024 * 1024,
            "transfer_config": TransferConfig(use_threads=False),
        },
    }
# What only its owner may fetch: exports and uploads. Never under the path of the public images.
STORAGES["private"] = {
    **STORAGES["default"],
    "OPTIONS": {
        **STORAGES["default"]["OPTIONS"],
        "location": f"{S3_PREFIX}-private" if S3_BUCKET else VAR_DIR / "private",
    },
}
# When set, image URLs start here instead of at PUBLIC_URL: a CDN whose origin is this site.
IMAGE_BASE_URL = env.address("IMAGE_BASE_URL")
IMAGE_MAX_BYTES = env.whole("IMAGE_MAX_BYTES", 32 * 1024 * 1024, least=1024, most=2**31 - 1)
UPLOAD_DAYS = env.whole("UPLOAD_DAYS", 30, least=1, most=3650)
REQUEST_LOG_DAYS = env.whole("REQUEST_LOG_DAYS", 30, least=0, most=365)  # 0: nobody keeps one
UPLOADS_MAX_BYTES = env.whole("UPLOADS_MAX_BYTES", 2 * 1024**3, least=20 * 1024**2, most=2**40)  # of one account
IMAGE_MAX_PIXELS = env.whole("IMAGE_MAX_PIXELS", 40_000_000, least=1024, most=2**31 - 1)

# With both, files are signed (C2PA), and an image's page shows by whom and whether they are unchanged since.
C2PA_CERTIFICATE, C2PA_PRIVATE_KEY = env.file("C2PA_CERTIFICATE"), env.file("C2PA_PRIVATE_KEY")
env.both("C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY")
if C2PA_CERTIFICATE:
    certificate.compare(C2PA_CERTIFICATE, C2PA_PRIVATE_KEY)

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    *filter(Path.is_dir, [VAR_DIR / "own"]),  # what an operator has of their own, such as the landing page's pictures
    BASE_DIR / "static",
]
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600
