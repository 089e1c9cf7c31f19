"""What the operator has: upstreams, the models that people choose, the routes between them, and the tries made."""

from typing import Any, cast

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from billing.models.history import Written
from generator.models.shapes import ASPECT_RATIOS, Operation

SLUG = RegexValidator(
    r"\A[a-z0-9][a-z0-9._-]{0,59}\Z",
    "Use lower-case letters, digits, dots, hyphens and underscores; begin with one of the first two.",
)
DEFAULT_MODEL = "text2image_v1"
DEFAULT_UPSTREAM = "reve"


def _all_ratios() -> list[str]:
    return list(ASPECT_RATIOS)


def _create_only() -> list[str]:
    return [Operation.CREATE.value]


class ImageModel(models.Model):
    """What people choose to draw with. Which upstream does it is the routes' affair."""

    slug = models.CharField(max_length=60, unique=True, validators=[SLUG], help_text="What the API calls it.")
    name = models.CharField(max_length=80, help_text="What people call it.")
    description = models.CharField(max_length=200, blank=True)
    operations = models.JSONField(default=_create_only, help_text="What it is offered for: create, edit, remix.")
    aspect_ratios = models.JSONField(default=_all_ratios, help_text="The shapes it draws.")
    sizes = models.JSONField(default=list, blank=True, help_text="The size classes it offers, as 1K; none: no choice.")
    qualities = models.JSONField(default=list, blank=True, help_text="The qualities it offers; none: no choice.")
    has_seed = models.BooleanField(
        default=False, db_default=False, help_text="The same seed draws the same image: requests may name one."
    )
    is_active = models.BooleanField(default=True, help_text="Offered to people.")
    order = models.PositiveSmallIntegerField(
        default=0, help_text="The lowest comes first, and is what is used unasked."
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), help_text="Since when it is there.")

    class Meta:
        ordering = ("order", "pk")

    def __str__(self) -> str:
        return self.name


class Upstream(models.Model):
    """A service that draws for us, and how it is reached.

    `base_url` "" and `secret` "" are what the environment says: REVE_API_URL and REVE_API_KEY. A secret is encrypted
    (`upstreams.secret`), or names a variable of the environment, as `env:FAL_KEY`.
    """

    class Dialect(models.TextChoices):
        REVE_ART = "reve_art", "Reve Art API, or another reveweb"
        OPENAI_IMAGES = "openai_images", "OpenAI Images API, or what copies it"
        FAL_QUEUE = "fal_queue", "fal queue API"
        REPLICATE_PREDICTIONS = "replicate_predictions", "Replicate predictions API"

    slug = models.CharField(max_length=60, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    dialect = models.CharField(max_length=30, choices=Dialect)
    base_url = models.CharField(max_length=500, blank=True, help_text="Empty: REVE_API_URL.")
    secret = models.TextField(blank=True, editable=False, help_text="Encrypted, or env:NAME. Empty: REVE_API_KEY.")
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Jobs there at once. Empty: no limit."
    )
    per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Jobs sent a minute. Empty: no limit."
    )
    timeout_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600)],
        help_text="How long taking a job may take. Empty: UPSTREAM_TIMEOUT_SECONDS.",
    )
    priority = models.PositiveSmallIntegerField(default=100, help_text="The lowest is asked first.")
    weight = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Its share of the jobs among those of one priority."
    )
    may_resend = models.BooleanField(
        default=False,
        help_text="A job that it may have taken, which nobody knows, goes to another upstream: it may be paid twice.",
    )
    is_active = models.BooleanField(default=True, help_text="Jobs are sent there.")

    class Meta:
        ordering = ("priority", "pk")

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """One way to have a model do something: at which upstream, under which name there, and what a job costs us."""

    model = models.ForeignKey(ImageModel, on_delete=models.CASCADE, related_name="routes")
    operation = models.CharField(max_length=10, choices=Operation, default=Operation.CREATE)
    upstream = models.ForeignKey(Upstream, on_delete=models.CASCADE, related_name="routes")
    their_name = models.CharField(
        max_length=200, blank=True, help_text="What the upstream calls the model. Empty: its usual one."
    )
    cost_micros = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Millionths of a unit of the currency."
    )
    cost_currency = models.CharField(max_length=3, blank=True, help_text="As USD. Empty: the upstream's own credits.")
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "operation", "upstream"], name="route_once"),
        ]

    def __str__(self) -> str:
        return f"{self.model} · {self.get_operation_display()} → {self.upstream}"


class Price(Written):
    """What an image costs its owner, in credits. Never edited: a new row begins, and the one that began last holds."""

    model = models.ForeignKey(ImageModel, on_delete=models.CASCADE, related_name="prices")
    operation = models.CharField(max_length=10, choices=Operation, default=Operation.CREATE)
    size = models.CharField(
        max_length=20, blank=True, help_text="A size class. Empty: all that have no price of their own."
    )
    quality = models.CharField(max_length=20, blank=True, help_text="Empty: all that have no price of their own.")
    credits = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(1000)])
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(credits__gte=1), name="price_at_least_one_credit")]
        indexes = [models.Index(fields=["model", "operation", "-id"], name="price_newest")]

    def __str__(self) -> str:
        return f"{self.model} · {self.get_operation_display()}: {self.credits}"


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Attempts, narrowed down."""

    def alive(self) -> "AttemptQuerySet":
        """Only those under way, few of many, by the index of just these.

        Written out, for SQLite does not know of bound values that they are those of an index's condition, and would
        read the whole table.
        """
        states = ", ".join(f"'{state.value}'" for state in Attempt.ALIVE)
        condition = f"{Attempt._meta.db_table}.state IN ({states})"
        found: Any = self.extra(where=[condition])  # noqa: S610 (words of our own)
        return cast("AttemptQuerySet", found)


class Attempt(models.Model):
    """One try to have a generation drawn at one upstream. Only `lifecycle` writes it; at most one is alive."""

    class State(models.TextChoices):
        SENDING = "sending", "Being sent"
        ACCEPTED = "accepted", "Taken"
        DRAWN = "drawn", "Drawn"
        NOT_TAKEN = "not_taken", "Not taken"
        REFUSED = "refused", "Prompt refused"
        FAILED = "failed", "Failed there"
        UNCLEAR = "unclear", "Not known"
        CANCELLED = "cancelled", "Cancelled"

    ALIVE = (State.SENDING, State.ACCEPTED)

    generation = models.ForeignKey("generator.Generation", on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField(help_text="Which try; from 1.")
    upstream = models.ForeignKey(Upstream, on_delete=models.PROTECT, related_name="attempts")
    route = models.ForeignKey(Route, on_delete=models.SET_NULL, null=True, blank=True, related_name="attempts")
    state = models.CharField(max_length=10, choices=State, default=State.SENDING)
    upstream_job = models.CharField(max_length=255, blank=True, help_text="What the upstream calls it.")
    error_kind = models.CharField(max_length=30, blank=True, help_text="Which error of upstreams.errors ended it.")
    error_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Its answer's HTTP status.")
    error_words = models.CharField(max_length=300, blank=True, help_text="What may be told of that answer; for staff.")
    cost_micros = models.BigIntegerField(null=True, blank=True, help_text="What it cost us: millionths of a unit.")
    cost_currency = models.CharField(max_length=3, blank=True, help_text="Empty: the upstream's own credits.")
    started_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "number"], name="attempt_once"),
            # No two workers ever send one job at a time.
            models.UniqueConstraint(
                fields=["generation"], condition=Q(state__in=["sending", "accepted"]), name="attempt_alive_once"
            ),
            # No two are ever one job of an upstream's: the second would be given the first one's picture.
            models.UniqueConstraint(
                fields=["upstream", "upstream_job"], condition=~Q(upstream_job=""), name="attempt_drawn_once"
            ),
        ]
        indexes = [
            models.Index(fields=["upstream", "-started_at"], name="attempt_by_upstream"),
            models.Index(fields=["upstream"], condition=Q(state__in=["sending", "accepted"]), name="attempt_alive"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="attempt_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id}, {self.number}: {self.get_state_display()}"


class UpstreamTrouble(models.Model):
    """What keeps an upstream from drawing that only the operator can mend; the row goes when it draws again."""

    class Kind(models.TextChoices):
        KEY_REFUSED = "key_refused", "It refuses our key"
        OUT_OF_FUNDS = "out_of_funds", "Our funds there are gone"
        NOT_FOUND = "not_found", "It does not know the address or the model"

    upstream = models.CharField(max_length=255, unique=True, help_text="Its slug.")
    kind = models.CharField(max_length=20, choices=Kind)
    since = models.DateTimeField(default=timezone.now)
    next_try_at = models.DateTimeField(default=timezone.now, help_text="When one waiting image is sent as a trial.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the operator was told.")
    access = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of the address and the key that it was met with.",
    )

    def __str__(self) -> str:
        return f"{self.upstream}: {self.get_kind_display()}"
