"""The request log: what was asked of the API with somebody's keys, and what was answered. Only `calls` writes it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from billing.models import Wallet


class ApiCall(models.Model):
    """One call of the API, or several of a kind that came close together (`count`).

    Bodies are words only: pictures in them are told by their size, and secrets are left out.
    """

    request_id = models.CharField(max_length=40, unique=True, help_text="As X-Request-Id said; of several the last.")
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE, related_name="api_calls", db_index=False)
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="api_calls", db_index=False
    )
    key_prefix = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False, db_default=False)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=200)
    route = models.CharField(max_length=200, help_text="The path with `{id}` in place of what it names.")
    status = models.PositiveSmallIntegerField(help_text="Of the answer; 499 where the caller hung up before.")
    error_code = models.CharField(max_length=60, blank=True, default="", db_default="")
    duration_ms = models.PositiveIntegerField(help_text="From the request to its answer; of several the last.")
    credits = models.PositiveIntegerField(default=0, db_default=0, help_text="What this call charged.")
    image_id = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="Of several the first.")
    images = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How many images the answer names.")
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=200, blank=True, default="", db_default="")
    request_headers = models.JSONField(default=dict, blank=True)
    answer_headers = models.JSONField(default=dict, blank=True)
    request_body = models.TextField(blank=True, default="", db_default="")
    request_bytes = models.PositiveIntegerField(default=0, db_default=0)
    is_whole = models.BooleanField(default=True, db_default=True, help_text="The request's body is as it was sent.")
    answer_body = models.TextField(blank=True, default="", db_default="")
    is_look_up = models.BooleanField(default=False, db_default=False, help_text="It only read, and got an answer.")
    count = models.PositiveIntegerField(default=1, db_default=1, help_text="How many calls of a kind this stands for.")
    created_at = models.DateTimeField(default=timezone.now, help_text="When it came; of several the first.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="When the last of several came.")

    class Meta:
        # Every list is newest first and of one account. Look-ups are most of all calls and hidden unless asked for.
        indexes = [
            models.Index(fields=["wallet", "-created_at"], name="apicall_all"),
            models.Index(fields=["wallet", "-created_at"], condition=Q(is_look_up=False), name="apicall_history"),
            models.Index(
                fields=["wallet", "-created_at"],
                condition=Q(status__gte=400, status__lt=500),
                name="apicall_refused",
            ),
            models.Index(fields=["wallet", "-created_at"], condition=Q(status__gte=500), name="apicall_broken"),
            models.Index(
                fields=["wallet", "error_code", "-created_at"], condition=~Q(error_code=""), name="apicall_code"
            ),
            models.Index(fields=["wallet", "route", "-created_at"], name="apicall_route"),
            models.Index(fields=["api_key", "-created_at"], name="apicall_key"),
            models.Index(fields=["image_id"], name="apicall_image"),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def is_error(self) -> bool:
        return self.status >= 400
