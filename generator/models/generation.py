"""A generation: the row is the truth about one image, and the queue it waits in."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, BrowserToken
from billing.models import Wallet
from generator.models.groups import Group
from generator.models.shapes import ASPECT_RATIOS, Operation
from generator.models.tokens import new_file_token, new_public_id
from generator.models.upstreams import Attempt, ImageModel
from kit import request_id, tracing


class GenerationQuerySet(models.QuerySet["Generation"]):
    """Generations; pages and the API show only those that are kept."""

    def kept(self) -> "GenerationQuerySet":
        """Leave out what its owner trashed."""
        return self.filter(deleted_at=None)

    def real(self) -> "GenerationQuerySet":
        """Leave out the samples of test keys: what counts, and what people see unasked."""
        return self.filter(is_test=False)

    def unfinished(self) -> "GenerationQuerySet":
        """Only what is on its way, of whatever account: few of many, by the indexes of just these.

        Written out, for SQLite does not know of bound values that they are those of an index's condition, and would
        read the whole table.
        """
        states = ", ".join(f"'{status.value}'" for status in Generation.UNFINISHED)
        condition = f"{Generation._meta.db_table}.status IN ({states})"
        found: Any = self.extra(where=[condition])  # noqa: S610 (words of our own)
        return cast("GenerationQuerySet", found)

    def named_there(self) -> "GenerationQuerySet":
        """Only what keeps an upstream's name of its job in its row, by the index of these; written out, as above."""
        condition = f"NOT ({Generation._meta.db_table}.upstream_id = '')"
        found: Any = self.extra(where=[condition])  # noqa: S610 (words of our own)
        return cast("GenerationQuerySet", found)

    def completed(self) -> "GenerationQuerySet":
        """Only what became an image and is kept."""
        return self.kept().filter(status=Generation.Status.COMPLETED)


class Generation(models.Model):
    """One image asked for with one wallet. Only `lifecycle` changes `status`."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        SUBMITTING = "submitting", "Being sent"
        DRAWING = "drawing", "Drawing"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"

    UNFINISHED = (Status.QUEUED, Status.SUBMITTING, Status.DRAWING)

    public_id = models.CharField(max_length=40, unique=True, default=new_public_id)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="generations")
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="generations", help_text="Empty: studio."
    )
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    search_text = models.TextField(
        blank=True, default="", db_default="", help_text="The prompt as a search compares it: kit.text.folded."
    )
    aspect_ratio = models.CharField(max_length=5, choices=[(ratio, ratio) for ratio in ASPECT_RATIOS])
    # NULL where there is none, so that the unique constraint lets any number of those through.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    position = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Which of the images that were asked for at once, under one key; from 1."
    )
    request_digest = models.CharField(max_length=64)
    request_id = models.CharField(
        max_length=40,
        blank=True,
        default=request_id.of_now,
        db_default="",
        help_text="Of the call or the press that asked for it, as its answer and the logs name it.",
    )
    trace = models.CharField(
        max_length=tracing.PARENT_LENGTH,
        blank=True,
        default=tracing.of_now,
        db_default="",
        help_text="The traceparent of what asked for it, where traces are sent.",
    )
    group = models.ForeignKey(  # empty for what is older than groups are
        Group, on_delete=models.PROTECT, null=True, blank=True, related_name="generations", db_index=False
    )
    operation = models.CharField(
        max_length=10, choices=Operation, default=Operation.CREATE, db_default=Operation.CREATE.value
    )
    image_model = models.ForeignKey(
        ImageModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="generations",
        db_index=False,
        help_text="What it was asked of. Empty: of the first model, before there were others.",
    )
    size = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="A size class.")
    quality = models.CharField(max_length=20, blank=True, default="", db_default="")
    credits = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="What it costs, fixed when it was asked for."
    )

    seed = models.BigIntegerField(null=True, blank=True, help_text="What it was asked to be drawn from.")
    is_test = models.BooleanField(
        default=False, db_default=False, help_text="A test key asked for it: it is a sample, and no credits moved."
    )
    cancel_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When its owner wished to call it off, while an upstream may have had it."
    )
    cancel_refused_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was found that the upstream goes on all the same."
    )
    browser_token = models.ForeignKey(
        BrowserToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="generations", db_index=False
    )

    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    due_at = models.DateTimeField(
        default=timezone.now, help_text="When a worker should look next; while one works on it, when its claim lapses."
    )
    claim = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="The token of the worker that has it."
    )
    is_awaited = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Somebody waits for it: a press in the studio, or a call that is held.",
    )
    deadline_at = models.DateTimeField(help_text="Unfinished by then, it fails and the credit returns.")
    unstored_since = models.DateTimeField(
        null=True, blank=True, help_text="It is drawn, and since then storage has not taken it."
    )
    submits = models.PositiveIntegerField(default=0, help_text="How often sending was tried.")
    polls = models.PositiveIntegerField(default=0, help_text="How often the upstream was asked.")
    failed_polls = models.PositiveIntegerField(default=0, help_text="How many of its answers were of no use.")
    upstream_id = models.CharField(max_length=255, blank=True)
    upstream_status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The HTTP status of the upstream's last answer that was of no use; for staff."
    )
    upstream_words = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="What may be told of that answer; for staff."
    )
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)

    file_token = models.CharField(max_length=40, unique=True, default=new_file_token)
    file_extension = models.CharField(max_length=4, blank=True)
    file_size = models.PositiveIntegerField(null=True, help_text="Bytes.")
    width = models.PositiveIntegerField(null=True, help_text="Pixels.")
    height = models.PositiveIntegerField(null=True, help_text="Pixels.")
    colour = models.CharField(max_length=7, blank=True, help_text="The image's mean, as #rrggbb.")
    needs_thumbnails = models.BooleanField(default=False, db_default=False, help_text="They are still to be made.")
    may_have_files = models.BooleanField(
        default=False, db_default=False, help_text="It failed while it was drawn: files of it may lie in storage."
    )
    model = models.CharField(max_length=120, blank=True)

    is_favourite = models.BooleanField(default=False)
    # NULL while it is private: the token of its public page.
    share_token = models.CharField(max_length=40, unique=True, null=True, blank=True)
    is_listed = models.BooleanField(default=False, help_text="Shown on Explore; only a shared image can be.")
    taken_down_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when staff let nobody share it."
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its owner trashed it; shown nowhere from then on."
    )
    purged_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its files and words were removed for good."
    )

    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = GenerationQuerySet.as_manager()

    # No columns, but what a worker knows of a row that it has: the attempt that is alive, and since when it is drawn.
    attempt: Attempt | None = None
    drawn_at: datetime | None = None

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "idempotency_key", "position"], name="generation_asked_once"),
        ]
        indexes = [
            models.Index(fields=["wallet", "-id"], name="generation_history"),
            models.Index(fields=["wallet", "-id"], condition=Q(api_key=None), name="generation_studio"),
            models.Index(
                fields=["status", "due_at"],
                condition=Q(status__in=["queued", "submitting", "drawing"]),
                name="generation_due",
            ),
            models.Index(
                fields=["cancel_asked_at"],
                condition=Q(cancel_asked_at__isnull=False, cancel_refused_at=None)
                & Q(status__in=["queued", "submitting", "drawing"]),
                name="generation_to_cancel",
            ),
            models.Index(
                fields=["deadline_at"],
                condition=Q(status__in=["queued", "submitting", "drawing"]),
                name="generation_deadline",
            ),
            models.Index(fields=["wallet", "-is_awaited", "id"], condition=Q(status="queued"), name="generation_turns"),
            models.Index(fields=["upstream_id"], condition=~Q(upstream_id=""), name="generation_upstream"),
            models.Index(fields=["group"], condition=Q(group__isnull=False), name="generation_by_group"),
            models.Index(fields=["due_at"], condition=Q(needs_thumbnails=True), name="generation_thumbnails"),
            models.Index(fields=["finished_at"], condition=Q(may_have_files=True), name="generation_leftovers"),
            models.Index(fields=["created_at"], condition=Q(status="failed"), name="generation_failed"),
            models.Index(fields=["wallet", "-id"], condition=Q(is_favourite=True), name="generation_favourites"),
            models.Index(fields=["wallet", "created_at"], name="generation_usage"),
            models.Index(fields=["created_at"], name="generation_created"),
            models.Index(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False, is_test=False),
                name="generation_ended",
            ),
            models.Index(
                fields=["api_key", "created_at"], condition=Q(api_key__isnull=False), name="generation_by_key"
            ),
            models.Index(fields=["-id"], condition=Q(is_listed=True), name="generation_listed"),
            models.Index(fields=["file_token"], condition=Q(taken_down_at__isnull=False), name="generation_taken_down"),
            models.Index(
                fields=["browser_token"], condition=Q(browser_token__isnull=False), name="generation_by_token"
            ),
            models.Index(fields=["wallet", "-id"], condition=Q(is_test=True), name="generation_tests"),
            models.Index(fields=["status", "due_at"], condition=Q(is_test=True), name="generation_tests_due"),
            models.Index(
                fields=["deleted_at"],
                condition=Q(deleted_at__isnull=False, purged_at=None),
                name="generation_to_purge",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_final(self) -> bool:
        return self.status in (self.Status.COMPLETED, self.Status.FAILED)

    @property
    def was_deleted(self) -> bool:
        """Whether there was an image that its owner deleted; it may be in the trash still."""
        return self.status == self.Status.COMPLETED and (self.deleted_at or self.purged_at) is not None

    @property
    def is_refused(self) -> bool:
        """Whether the model refuses its prompt: other words are the way on, not another try."""
        return self.error_code == PROMPT_REFUSED

    @property
    def is_cancelled(self) -> bool:
        """Whether its owner called it off."""
        return self.error_code == CANCELLED

    @property
    def is_to_be_cancelled(self) -> bool:
        """Whether its owner waits to hear if it can still be called off."""
        return not self.is_final and self.cancel_asked_at is not None and self.cancel_refused_at is None

    @property
    def has_own_deadline(self) -> bool:
        """Whether it was asked for with a deadline shorter than the usual one."""
        return self.deadline_at - self.created_at < timedelta(seconds=settings.GENERATION_DEADLINE_SECONDS)

    @property
    def credit_reference(self) -> str:
        """The ledger's reference of this generation's hold."""
        return f"generation:{self.public_id}"

    @property
    def credit_cause(self) -> str:
        """Why that hold was made, for people."""
        return f"Image {self.public_id}"

    @property
    def returned(self) -> str:
        """What people are told of its credits once they have come back."""
        if self.is_test:
            return "It was a test: nothing was charged."
        if self.credits == 1:
            return "Your credit was returned."
        return f"Your {self.credits:,} credits were returned."

    @property
    def file_name(self) -> str:
        return f"{self.file_token}.{self.file_extension}"

    def image_url(self, base: str) -> str:
        """Return the image's permanent public URL on a site at `base` (without a trailing slash).

        What was taken down is on the site itself, which knows its owner.
        """
        if self.taken_down_at is None:
            base = settings.IMAGE_BASE_URL or base
        return f"{base}/images/{self.file_name}"


PROMPT_REFUSED = "prompt_refused"  # the error code of what will be refused again, however often it is sent
CANCELLED = "cancelled"  # the error code of what its owner did not want any more; nothing went wrong


class KeyMonth(models.Model):
    """The credits that an API key spent or holds of one calendar month. Only `caps` writes it."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="months")
    month = models.DateField(help_text="Its first day, UTC.")
    credits = models.PositiveIntegerField()
    day = models.DateField(null=True, blank=True, help_text="The last day that it spent on, UTC.")
    day_credits = models.PositiveIntegerField(default=0, db_default=0, help_text="What it spent or holds of that day.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "month"], name="key_month_once")]

    def __str__(self) -> str:
        return f"{self.api_key_id}, {self.month:%Y-%m}: {self.credits}"
