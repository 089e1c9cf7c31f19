"""Users, who log in by email, their API keys, and what those mint for browsers."""

from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models import F, Q, Value
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
    signup_network = models.CharField(
        max_length=43,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Where they signed up from, kept for 30 days.",
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        indexes = [
            models.Index(fields=["date_joined"], name="user_joined"),
            models.Index(fields=["date_joined"], condition=Q(is_active=False), name="user_inactive"),
            models.Index(fields=["date_joined"], condition=Q(is_staff=True), name="user_staff"),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = self.email.lower()
        super().save(*args, **kwargs)


class KeyScope(models.TextChoices):
    """What a key may do."""

    GENERATE = "generate", "Make images"
    READ = "read", "See all images"
    ACCOUNT = "account", "See credits and usage"


def all_scopes() -> list[str]:
    return list(KeyScope.values)


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
    daily_credit_cap = models.PositiveIntegerField(
        null=True, blank=True, help_text="Credits it may spend in a day (UTC); empty: no limit of its own."
    )
    lifetime_credit_cap = models.PositiveIntegerField(
        null=True, blank=True, help_text="Credits it may spend in all; empty: no limit of its own."
    )
    scopes = models.JSONField(default=all_scopes, db_default=Value(list(KeyScope.values), models.JSONField()))
    image_models = models.JSONField(
        default=list, blank=True, db_default=Value([], models.JSONField()), help_text="Slugs; empty: every model."
    )
    allowed_ips = models.JSONField(
        default=list,
        blank=True,
        db_default=Value([], models.JSONField()),
        help_text="Addresses and networks; empty: every one.",
    )
    is_test = models.BooleanField(default=False, db_default=False, help_text="It costs nothing and draws samples.")
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, help_text="Changes with whatever it may do."
    )
    rotated_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="successors", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    reported_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When somebody who had found it revoked it."
    )
    reported_where = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Where that was, in their words.",
    )

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["created_at"], name="key_created")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def limits_in_words(self) -> list[str]:
        """What it may not do that another key may, a line each."""
        caps = {"day": self.daily_credit_cap, "month": self.monthly_credit_cap, "life": self.lifetime_credit_cap}
        words = [f"{cap:,} credits a {period}" for period, cap in caps.items() if cap is not None]
        if self.rate_limit is not None:
            words.append(f"{self.rate_limit:,} requests a minute")
        if set(self.scopes) != set(KeyScope.values):
            words.append("may: " + ", ".join(self.scopes))
        if self.image_models:
            words.append("models: " + ", ".join(self.image_models))
        if self.allowed_ips:
            words.append("from: " + ", ".join(self.allowed_ips))
        return words


class BrowserToken(models.Model):
    """What a key minted for one browser: it ends by itself, within minutes, and spends no more than its cap."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="browser_tokens")
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    origin = models.CharField(max_length=255, help_text="The site whose pages may use it.")
    credit_cap = models.PositiveIntegerField()
    credits_spent = models.PositiveIntegerField(default=0, db_default=0, help_text="Spent or held.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(credits_spent__lte=F("credit_cap")), name="token_within_its_cap"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="token_expiry"),
            models.Index(fields=["api_key", "expires_at"], name="token_by_key"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… for {self.origin}"
