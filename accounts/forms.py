"""What the API Keys page's form takes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone


class ApiKeyForm(forms.Form):
    """A new API key. `nonce` is new on each page, so that a form sent twice makes one key."""

    use_required_attribute = False

    nonce = forms.UUIDField(
        error_messages={
            "required": "This page was out of date. Press Create key again.",
            "invalid": "This page was out of date. Press Create key again.",
        }
    )
    name = forms.CharField(
        max_length=80,
        help_text="What will use it, so that you recognise it later.",
        error_messages={
            "required": "Give the key a name.",
            "max_length": "Shorten the name to 80 characters. It has %(show_value)s now.",
            "null_characters_not_allowed": "Remove the invisible NUL character from the name.",
        },
    )
    expires_on = forms.DateField(
        required=False,
        label="Expires",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Optional. The key stops at the end of this day (UTC).",
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
