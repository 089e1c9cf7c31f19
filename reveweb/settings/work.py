"""Work: the queue, and the upstream that draws."""

import os

from reveweb.run import embedded
from reveweb.settings import links
from reveweb.settings.data import REDIS_URL, TASK_THREADS
from reveweb.settings.env import env
from reveweb.settings.where import REVE_API_KEY, SANDBOX, SECURE, VAR_DIR

BROKER = (
    links.broker("CELERY_BROKER_URL", env.text("CELERY_BROKER_URL"))
    if env.text("CELERY_BROKER_URL")
    else links.broker("REDIS_URL", REDIS_URL)
)
CELERY_BROKER_URL = BROKER.url
# Celery itself reads the variable of that name, as it is written, before the setting, and these before both.
if not env.text("CELERY_BROKER_URL"):
    os.environ.pop("CELERY_BROKER_URL", None)  # it would take a blank for RabbitMQ on this machine
else:
    CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = BROKER.url
CELERY_BROKER_USE_SSL = BROKER.tls
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY = False
# Of a process that takes messages; what sends them has shorter ones of its own (`kit.broker`).
CELERY_BROKER_CONNECTION_TIMEOUT = BROKER.connect_seconds or 2
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 2, "socket_timeout": 30, "max_retries": 0}
    if CELERY_BROKER_URL.startswith("redis")
    else {"read_timeout": 10, "write_timeout": 10, "max_retries": 0}
) | BROKER.options
CELERY_BROKER_HEARTBEAT = BROKER.heartbeat or 10  # seconds; a RabbitMQ that says nothing for twice as long is gone
# After a lost connection Celery would take fewer messages at first and then, for each task that ends, one more: by a
# call from the task's thread that waits for an answer, which the thread that takes messages may read. Both hang then.
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# By urgency, so that nothing slow delays what is not: payments; what sends and what asks the upstream; all the rest.
# At the broker their names begin with the installation's (`reveweb.run.broker`).
QUEUES = ("money", "submit", "look", "rest")
# Nobody commands workers over the broker, where those of another installation would listen too.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_DEFAULT_QUEUE = "rest"
CELERY_TASK_ROUTES = {
    "billing.tasks.handle_event": {"queue": "money"},
    "billing.tasks.sweep_money": {"queue": "money"},
    "generator.jobs.tasks.submit": {"queue": "submit"},
    "generator.jobs.tasks.look": {"queue": "look"},
    "generator.jobs.tasks.sweep": {"queue": "look"},
    # The others are of the default queue: mails, notices, thumbnails, exports, deletions, what is tidied.
}
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = TASK_THREADS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # what one worker cannot begin now is another's

# What the sandbox reads by itself is refused here too, where somebody sees it.
SANDBOX_FAILURES = (
    "refuse",
    "fail",
    "error500",
    "error500-accepted",
    "error503",
    "busy",
    "unauthorized",
    "payment",
    "forbidden",
    "not-found",
    "cut-off",
    "timeout-submit",
    "sync-anyway",
    "status500",
    "status-busy",
    "status-garbage",
    "status-timeout",
    "processing-words",
    "lost",
    "never",
    "no-url",
    "html",
    "truncated",
    "huge",
    "bomb",
    "private-redirect",
    "wrong-type",
    "slow-image",
    "stalled-image",
    "jpeg",
    "webp",
)
SANDBOX_FAIL = env.choice("SANDBOX_FAIL", "", ("", *SANDBOX_FAILURES))
SANDBOX_PICTURES = env.choice("SANDBOX_PICTURES", "painted", ("painted", "plain"))
SANDBOX_SECONDS = env.number("SANDBOX_SECONDS", 3.0)
# The sandbox serves only when nothing else is named.
EMBEDDED_SANDBOX = SANDBOX and not env.text("REVE_API_URL")
REVE_API_URL = env.address("REVE_API_URL") or (
    f"http://127.0.0.1:{embedded.port('sandbox', VAR_DIR)}" if SANDBOX else "https://api.reve-art.com"
)
UPSTREAM_API_KEY = REVE_API_KEY or "sandbox"
UPSTREAM_TIMEOUT_SECONDS = env.number("UPSTREAM_TIMEOUT_SECONDS", 30.0, least=0.1, most=3600)
UPSTREAM_TYPICAL_SECONDS = env.number("UPSTREAM_TYPICAL_SECONDS", SANDBOX_SECONDS if SANDBOX else 8.0, most=3600)
# An image that storage does not take waits for it this long: it is drawn, and the upstream has charged for it. Its
# bytes are kept in VAR_DIR meanwhile, up to so many of all; beyond that nothing more is sent to the upstream.
STORAGE_PATIENCE_SECONDS = env.whole("STORAGE_PATIENCE_SECONDS", 86_400, least=60, most=30 * 86_400)
UNSTORED_MAX_BYTES = env.whole("UNSTORED_MAX_BYTES", 4 * 1024**3, most=2**40)
GENERATION_DEADLINE_SECONDS = env.whole("GENERATION_DEADLINE_SECONDS", 600, least=1, most=86_400)
SYNC_WAIT_SECONDS = env.number("SYNC_WAIT_SECONDS", 90.0, most=3600)  # the proxies that people have end at 100 and more
MCP_WAIT_SECONDS = env.number("MCP_WAIT_SECONDS", 45.0, most=3600)  # agents' programs give a tool up after 60
# Of a worker, from SIGTERM until it is gone. A job that got no answer by then fails, for it is never sent twice.
WORKER_DRAIN_SECONDS = env.number("WORKER_DRAIN_SECONDS", 60.0, least=1, most=3600)
CLAIM_SECONDS = env.number("CLAIM_SECONDS", 20.0, least=1, most=3600)
# Whether webhooks may go to private addresses, over plain HTTP too: whoever names one could reach this network by it.
WEBHOOKS_TO_PRIVATE = env.flag("WEBHOOKS_TO_PRIVATE", SANDBOX and not SECURE)
