"""The table of checks, by concern. To add one, give it a line here and one in docs/operating.md."""

from functools import partial

from generator.webhooks import courier
from reveweb.doctor.checks import (
    broker,
    configuration,
    database,
    front,
    machine,
    mail,
    processes,
    storage,
    stripe,
    upstreams,
)
from reveweb.doctor.findings import Check

CHECKS: dict[str, tuple[Check, ...]] = {
    "configuration": (
        Check(
            "mode", configuration.mode, "what kind of installation it is, and whether DEBUG or the sandbox is public"
        ),
        Check("secret-key", configuration.secret_key, "whether SECRET_KEY is a real one, and former ones still count"),
        Check("hosts", configuration.hosts, "whether ALLOWED_HOSTS has PUBLIC_URL's host, and not any"),
        Check("cookies", configuration.cookies, "whether log-ins travel in the clear"),
        Check("env-file", configuration.env_file, "whether others on this machine may read `.env` and the secret key"),
        Check("django", configuration.django, "what `manage.py check --deploy` finds", seconds=20.0),
    ),
    "database": (
        Check("database", database.database, "whether it answers, its version, and SQLite on a network's file system"),
        Check("migrations", database.migrations, "whether its tables are this version's"),
        Check("pool", database.pool, "whether there is a connection for each thread that is asked for"),
        Check("connections", database.connections, "whether PostgreSQL gives out as many as all processes may open"),
        Check(
            "ledger",
            database.ledger,
            "whether every balance follows from its entries; from 200,000 entries on, what the last comparison found",
            seconds=20.0,
        ),
    ),
    "redis and broker": (
        Check("redis", broker.server, "whether it answers soon, its version, and whether it takes writes"),
        Check("redis-memory", broker.memory, "whether it throws keys away, or is full"),
        Check("redis-persistence", broker.persistence, "whether what it holds outlives a restart"),
        Check("broker", broker.broker, "whether the broker answers, and messages stand in its queues"),
    ),
    "storage": (
        Check(
            "storage-images", partial(storage.kept, "default"), "whether images can be written, and the bucket listed"
        ),
        Check("storage-private", partial(storage.kept, "private"), "whether uploads can be written, and are private"),
    ),
    "stripe": (
        Check("stripe", stripe.key, "whether the key is taken, and its mode goes with this site"),
        Check(
            "stripe-webhook",
            stripe.webhook,
            "whether Stripe tells this site of payments, in its version, of all events",
        ),
        Check("stripe-signature", stripe.signature, "whether the webhook secret fits what Stripe signs"),
        Check("stripe-events", processes.stripe_events, "whether events of Stripe's cannot be handled"),
    ),
    "upstreams": (
        Check("upstreams", upstreams.upstreams, "whether each answers, takes our key and has funds of ours"),
        Check("routes", upstreams.routes, "whether each model that is offered is drawn by one"),
    ),
    "mail": (
        Check("mail", mail.sending, "whether the mail server lets us in and takes our sender; nothing is sent"),
        Check("mail-records", mail.records, "whether the sender's domain has SPF and DMARC records", seconds=12.0),
        Check("mails", processes.mails, "whether mails wait, or were given up in the last 7 days"),
    ),
    "front": (
        Check("front", front.reach, "whether PUBLIC_URL leads to this very site, with Host and scheme"),
        Check("certificate", front.certificate, "whether browsers take the certificate, and for how long"),
        Check("proxies", front.proxies, "whether TRUSTED_PROXIES fits what stands in front"),
        Check("stream", front.stream, "whether `/events/` comes through piece by piece"),
        Check("held", front.held, "whether a request may wait for some seconds"),
        Check("images", front.images, "whether the newest image is to be had at its public address"),
    ),
    "processes": (
        Check("scheduler", partial(processes.silent, "scheduler"), "when the scheduler was last heard"),
        Check("worker", partial(processes.silent, "worker"), "when a worker that draws was last heard"),
        Check("money", partial(processes.silent, "money"), "when a worker that books payments was last heard"),
        Check("rest", partial(processes.silent, "rest"), "when a worker for mails and the rest was last heard"),
        Check(courier.PULSE, partial(processes.silent, courier.PULSE), "when whoever sends webhooks was last heard"),
        Check("versions", processes.versions, "whether all workers are of this version"),
        Check("queue", processes.queue, "whether images wait while nothing gets done"),
        Check("intake", processes.intake, "whether the intake of images is paused"),
        Check("backups", processes.backups, "whether backups are made, and a restore was left unfinished"),
        Check("storage-apart", processes.storage_shared, "whether all machines see each other's files"),
    ),
    "machine": (
        Check("disk", machine.disks, "whether there is room where the site writes, inodes too"),
        Check("folder", machine.folder, "whether VAR_DIR can be written, and others may look into it"),
        Check("open-files", machine.open_files, "how many files a process may open"),
        Check("static", machine.static_files, "whether the static files are this version's"),
        Check("clock", machine.clock, "whether the clocks of database, Redis and Stripe say the same"),
    ),
}


def chosen(names: list[str]) -> list[tuple[str, Check]]:
    """Return the checks of these names, each with its concern, whose name stands for all of its; without names all.

    Raises KeyError with a name that there is not.
    """
    every = [(concern, check) for concern, checks in CHECKS.items() for check in checks]
    known = {*CHECKS, *(check.name for _, check in every)}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [(concern, check) for concern, check in every if not names or {concern, check.name} & set(names)]
