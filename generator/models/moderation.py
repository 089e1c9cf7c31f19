"""What the operator allows nobody to ask for, and what people say should not be shown."""

from django.db import models
from django.utils import timezone

from generator.models.generation import Generation


class PromptRule(models.Model):
    """Words, or a pattern, that a prompt must not have. Who asks all the same is refused, and charged nothing."""

    TEXT_MAX_LENGTH, MESSAGE_MAX_LENGTH = 500, 200

    class Kind(models.TextChoices):
        WORDS = "words", "Whole words"
        PATTERN = "pattern", "A pattern"

    class Where(models.TextChoices):
        PROMPT = "prompt", "The prompt"
        NEGATIVE = "negative_prompt", "What shall not be in the picture"
        BOTH = "both", "Both"

    kind = models.CharField(max_length=8, choices=Kind, default=Kind.WORDS)
    text = models.CharField(
        max_length=TEXT_MAX_LENGTH,
        help_text="Words, or several in a row, whatever their case; several of these stand on lines or between commas. "
        "Or one pattern in RE2's syntax.",
    )
    where = models.CharField(max_length=16, choices=Where, default=Where.PROMPT)
    only_models = models.JSONField(default=list, blank=True, help_text="None ticked: all models.")
    message = models.CharField(
        max_length=MESSAGE_MAX_LENGTH,
        blank=True,
        help_text="What whoever asks is told, as in: no pictures of real people. Empty: that it breaks the rules.",
    )
    note = models.CharField(max_length=200, blank=True, help_text="For staff.")
    is_active = models.BooleanField(default=True)
    hits = models.PositiveIntegerField(default=0, help_text="How many requests it refused.")
    last_hit_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.text if len(self.text) <= 60 else f"{self.text[:59]}…"


class Report(models.Model):
    """Somebody says that a shared image should not be shown. Open until staff have looked at the image."""

    WORDS_MAX_LENGTH = 500

    class Reason(models.TextChoices):
        ILLEGAL = "illegal", "It is against the law"
        CHILDREN = "children", "It harms children"
        PERSON = "person", "It shows a real person without their consent"
        RIGHTS = "rights", "It infringes my rights"
        OTHER = "other", "Something else"

    class Outcome(models.TextChoices):
        KEPT = "kept", "Kept"
        TAKEN_DOWN = "taken_down", "Taken down"

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="reports", db_index=False)
    reason = models.CharField(max_length=10, choices=Reason)
    words = models.CharField(max_length=WORDS_MAX_LENGTH, blank=True)
    email = models.EmailField(blank=True, help_text="Where its reporter can be asked.")
    reporter = models.CharField(max_length=64, help_text="A digest of who reported: one open report each.")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "reporter"], condition=models.Q(closed_at=None), name="report_open_once"
            )
        ]
        indexes = [
            models.Index(fields=["created_at"], name="report_age"),
            models.Index(fields=["created_at"], condition=models.Q(closed_at=None), name="report_open"),
            models.Index(fields=["generation"], name="report_of"),
        ]

    def __str__(self) -> str:
        return f"{self.generation}: {self.get_reason_display()}"
