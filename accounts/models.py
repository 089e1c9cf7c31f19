"""Users, who log in by email, and their API keys."""

from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())

    def find(self, email: str) -> "User | None":
        """Return the user registered as `email`, in any case; None when nobody is."""
        return self.filter(email=email.strip().lower()).first()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; one without a password logs in after a reset. Raises IntegrityError on a known email."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_confirmed(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user whose address an operator vouches for: it needs no mail to count as theirs.

        Raises IntegrityError on a known email.
        """
        addresses = apps.get_model("account", "EmailAddress")  # allauth's, which looks for this module's user
        with transaction.atomic(using=self._db):
            user = self.create_user(email, password, **fields)
            addresses._default_manager.using(self._db).create(user=user, email=user.email, verified=True, primary=True)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything in the admin, at an address that counts as theirs."""
        return self.create_confirmed(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Their email is stored in lower case and is their only login name."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True, help_text="Off: sessions and API keys stop at once.")
    is_staff = models.BooleanField(default=False, help_text="May open the admin.")
    date_joined = models.DateTimeField(default=timezone.now)
    mail_receipts = models.BooleanField("receipts and renewals", default=True, help_text="Mail about paid invoices.")
    mail_low_balance = models.BooleanField("low balance", default=True, help_text="Mail when credits run low.")
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the person deleted the account; its books stay."
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = self.email.lower()
        super().save(*args, **kwargs)


class ApiKey(models.Model):
    """A key to the API. Only its visible prefix and the SHA-256 digest of the whole secret are stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Generate requests a minute for this key; empty: the account's own limit."
    )
    monthly_credit_cap = models.PositiveIntegerField(
        null=True, blank=True, help_text="Credits it may spend in a calendar month (UTC); empty: no limit of its own."
    )
    rotated_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="successors", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
