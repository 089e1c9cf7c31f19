"""Backups: where each night's goes, and with which key."""

from datetime import time

from reveweb.settings.data import S3_ACCESS_KEY, S3_ENDPOINT_URL, S3_REGION, S3_SECRET_KEY
from reveweb.settings.env import env

# A folder of the machine where the worker with --rest runs, or of a bucket. Without it nothing is made by itself.
BACKUP_TO = env.word(
    "BACKUP_TO",
    r"/[^\s].*|s3://[a-z0-9][a-z0-9._-]{1,62}(/[\w.-]+)*/?",
    "a folder, as in /srv/backups, or s3://bucket/folder",
)
BACKUP_AT = time.fromisoformat(env.word("BACKUP_AT", r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time, as in 02:17", "02:17"))
BACKUP_KEEP = env.whole("BACKUP_KEEP", 14, least=1, most=10_000)
# Of the images' bucket, unless that for backups is another's.
BACKUP_S3_ENDPOINT_URL = env.address("BACKUP_S3_ENDPOINT_URL") or S3_ENDPOINT_URL
BACKUP_S3_REGION = env.word("BACKUP_S3_REGION", r"[\w-]+", "a region, as in eu-central-1") or S3_REGION
BACKUP_S3_ACCESS_KEY = env.key("BACKUP_S3_ACCESS_KEY") or S3_ACCESS_KEY
BACKUP_S3_SECRET_KEY = env.key("BACKUP_S3_SECRET_KEY") or S3_SECRET_KEY
env.both("BACKUP_S3_ACCESS_KEY", "BACKUP_S3_SECRET_KEY")
