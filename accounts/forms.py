"""What the API Keys pages' forms take."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import ApiKey

MOST_CREDITS = 1_000_000_000  # in a cap: far beyond any month, well within the column
OVERLAPS = {"0": timedelta(), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
OLD_PAGE = "This page was out of date. Press the button again."


class KeyFields(forms.Form):
    """What somebody may set on a key, now and later."""

    use_required_attribute = False

    name = forms.CharField(
        max_length=80,
        help_text="What will use it, so that you recognise it later.",
        error_messages={
            "required": "Give the key a name.",
            "max_length": "Shorten the name to 80 characters. It has %(show_value)s now.",
            "null_characters_not_allowed": "Remove the invisible NUL character from the name.",
        },
    )
    monthly_credit_cap = forms.IntegerField(
        required=False,
        label="Monthly credit limit",
        min_value=1,
        max_value=MOST_CREDITS,
        help_text="Per calendar month (UTC).",
        error_messages={
            "invalid": "Write a whole number of credits, for example 500.",
            "min_value": "Choose 1 credit or more, or leave this empty for no limit.",
            "max_value": "Choose a lower limit, or leave this empty for none.",
        },
    )


class EditKeyForm(KeyFields):
    """A new name or limit for a key."""

    @classmethod
    def of(cls, key: ApiKey) -> "EditKeyForm":
        """Return the form as the key stands."""
        return cls(initial={"name": key.name, "monthly_credit_cap": key.monthly_credit_cap})


class ApiKeyForm(KeyFields):
    """A new API key. `nonce` is new on each page, so that a form sent twice makes one key."""

    nonce = forms.UUIDField(error_messages={"required": OLD_PAGE, "invalid": OLD_PAGE})
    expires_on = forms.DateField(
        required=False,
        label="Expires",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="At the end of this day (UTC).",
        error_messages={"invalid": "Write the date as year-month-day, for example 2030-12-31."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expires_on"].widget.attrs["min"] = timezone.now().date().isoformat()

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day and day < timezone.now().date():
            raise forms.ValidationError("Choose today or a later day.")
        if day and day.year > 9000:
            raise forms.ValidationError("Choose an earlier day, or leave this empty for a key that never expires.")
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The moment a valid form's key stops."""
        day: date | None = self.cleaned_data["expires_on"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC) if day else None


class RotateKeyForm(forms.Form):
    """How long a replaced key goes on working."""

    overlap = forms.ChoiceField(
        choices=[("0", "Now"), ("1h", "In 1 hour"), ("24h", "In 24 hours"), ("7d", "In 7 days")],
        initial="24h",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose when the old key stops.",
            "invalid_choice": "Choose when the old key stops: now, in 1 hour, in 24 hours or in 7 days.",
        },
    )

    @property
    def duration(self) -> timedelta:
        """The overlap that a valid form chose."""
        return OVERLAPS[self.cleaned_data["overlap"]]
