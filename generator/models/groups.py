"""What was asked for at once, and the pictures it was asked for with."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, BrowserToken
from billing.models import Wallet
from generator.models.shapes import Operation
from generator.models.tokens import new_file_id, new_file_token
from generator.models.upstreams import ImageModel


class Group(models.Model):
    """One press, or one call: all of its images are admitted, or none. Each is a generation of its own."""

    class Source(models.TextChoices):
        STUDIO = "studio", "Studio"
        API = "api", "API"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="groups")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="groups")
    source = models.CharField(max_length=10, choices=Source)
    operation = models.CharField(max_length=10, choices=Operation, default=Operation.CREATE)
    image_model = models.ForeignKey(ImageModel, on_delete=models.PROTECT, null=True, blank=True, related_name="groups")
    count = models.PositiveSmallIntegerField(default=1)
    # NULL where there is none, so that the unique constraint lets any number of those through.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    digest = models.CharField(max_length=64, help_text="Two requests with the same one ask for the same.")
    mask = models.ForeignKey("generator.Upload", on_delete=models.PROTECT, null=True, blank=True, related_name="masks")
    webhook_url = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Told what became of its images."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["wallet", "idempotency_key"], name="group_asked_once")]

    def __str__(self) -> str:
        return f"{self.pk}: {self.count} × {self.get_operation_display()}"


class Upload(models.Model):
    """A picture that somebody brought: verified, upright, without metadata, seen by its owner only."""

    public_id = models.CharField(max_length=40, unique=True, default=new_file_id, help_text="As file_…")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="uploads")
    token = models.CharField(max_length=40, unique=True, default=new_file_token)
    extension = models.CharField(max_length=4)
    sha256 = models.CharField(max_length=64, help_text="Of the bytes that are stored.")
    size = models.PositiveIntegerField(help_text="Bytes.")
    width = models.PositiveIntegerField(help_text="Pixels.")
    height = models.PositiveIntegerField(help_text="Pixels.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(help_text="Deleted after it, unless an image that is kept was made from it.")
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="From when on nobody may use it any more.")
    purged_at = models.DateTimeField(null=True, blank=True, help_text="When its file was removed for good.")

    class Meta:
        constraints = [
            # The same picture twice is one upload.
            models.UniqueConstraint(fields=["wallet", "sha256"], condition=Q(deleted_at=None), name="upload_kept_once"),
        ]
        indexes = [
            models.Index(fields=["wallet", "-id"], name="upload_history"),
            models.Index(fields=["expires_at"], condition=Q(deleted_at=None), name="upload_expiry"),
            models.Index(
                fields=["deleted_at"], condition=Q(deleted_at__isnull=False, purged_at=None), name="upload_to_purge"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def file_name(self) -> str:
        return f"{self.token}.{self.extension}"


class TokenUpload(models.Model):
    """An upload that came with a browser token. Equal pictures of an account are one upload, so it may have several."""

    browser_token = models.ForeignKey(BrowserToken, on_delete=models.CASCADE, related_name="brought", db_index=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="came_with")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["browser_token", "upload"], name="token_upload_once")]

    def __str__(self) -> str:
        return f"{self.upload_id} of {self.browser_token_id}"


class Input(models.Model):
    """A picture that a group was asked for with: an image of the account's own, or an upload."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="inputs")
    position = models.PositiveSmallIntegerField(help_text="From 1.")
    generation = models.ForeignKey(
        "generator.Generation", on_delete=models.PROTECT, null=True, blank=True, related_name="used_as"
    )
    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, null=True, blank=True, related_name="used_as")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "position"], name="input_once"),
            models.CheckConstraint(
                condition=Q(generation=None, upload__isnull=False) | Q(generation__isnull=False, upload=None),
                name="input_is_one_picture",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id}, {self.position}"
