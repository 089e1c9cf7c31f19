"""What the API Keys pages' forms take."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.utils import timezone

from accounts import places
from accounts.models import ApiKey, KeyScope

MOST_CREDITS = 1_000_000_000  # in a cap: far beyond any month, well within the column
OVERLAPS = {"0": timedelta(), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
OLD_PAGE = "This page was out of date. Press the button again."


def _cap(label: str, words: str) -> forms.IntegerField:
    return forms.IntegerField(
        required=False,
        label=label,
        min_value=1,
        max_value=MOST_CREDITS,
        help_text=words,
        error_messages={
            "invalid": "Write a whole number of credits, for example 500.",
            "min_value": "Choose 1 credit or more, or leave this empty for no limit.",
            "max_value": "Choose a lower limit, or leave this empty for none.",
        },
    )


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
    monthly_credit_cap = _cap("Monthly credit limit", "Per calendar month (UTC).")
    daily_credit_cap = _cap("Daily credit limit", "Per day (UTC).")
    lifetime_credit_cap = _cap("Lifetime credit limit", "In all, however long it works.")
    has_limits = forms.BooleanField(required=False, widget=forms.HiddenInput)
    scopes = forms.MultipleChoiceField(
        required=False, choices=KeyScope.choices, initial=KeyScope.values, widget=forms.CheckboxSelectMultiple
    )
    image_models = forms.MultipleChoiceField(required=False, label="Models", widget=forms.CheckboxSelectMultiple)
    allowed_ips = forms.CharField(
        required=False,
        label="Allowed IP addresses",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: an address or a network, such as 203.0.113.7 or 2001:db8::/32. Empty: every one.",
    )
    expires_on = forms.DateField(
        required=False,
        label="Expires",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="At the end of this day (UTC).",
        error_messages={"invalid": "Write the date as year-month-day, for example 2030-12-31."},
    )

    ADVANCED = ("daily_credit_cap", "lifetime_credit_cap", "scopes", "image_models", "allowed_ips")

    def __init__(self, *args: Any, models: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """`models` are those that a key can be limited to: slugs and names."""
        super().__init__(*args, **kwargs)
        cast(forms.MultipleChoiceField, self.fields["image_models"]).choices = models
        self.fields["expires_on"].widget.attrs["min"] = timezone.now().date().isoformat()

    def clean_scopes(self) -> list[str]:
        """Return them in their order; all where nobody was asked."""
        chosen: list[str] = self.cleaned_data["scopes"]
        if not self.cleaned_data.get("has_limits"):
            return list(KeyScope.values)
        if not chosen:
            raise forms.ValidationError("Choose at least one: a key that may do nothing is of no use.")
        return [scope for scope in KeyScope.values if scope in chosen]

    def clean_allowed_ips(self) -> list[str]:
        """Return them as they are stored."""
        told = self.cleaned_data["allowed_ips"].replace(",", " ").split()
        if len(told) > places.MOST:
            raise forms.ValidationError(f"List at most {places.MOST}; a network counts as one.")
        try:
            return places.normal(told)
        except ValueError as error:
            raise forms.ValidationError(
                f"“{str(error)[:60]}” is neither an IP address nor a network, such as 203.0.113.0/24."
            ) from error

    def clean_expires_on(self) -> date | None:
        """Return a day that is still to come, or that the key had before."""
        day: date | None = self.cleaned_data["expires_on"]
        if day and day != self.initial.get("expires_on") and day < timezone.now().date():
            raise forms.ValidationError("Choose today or a later day.")
        if day and day.year > 9000:
            raise forms.ValidationError("Choose an earlier day, or leave this empty for a key that never expires.")
        return day

    @property
    def limits(self) -> dict[str, Any]:
        """What a valid form sets on its key, beside its name and its end; of the rest only where it was asked."""
        names = ("monthly_credit_cap", *(self.ADVANCED if self.cleaned_data["has_limits"] else ()))
        return {name: self.cleaned_data[name] for name in names}

    @property
    def expires_at(self) -> datetime | None:
        """The moment a valid form's key stops."""
        day: date | None = self.cleaned_data["expires_on"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC) if day else None

    @property
    def is_open(self) -> bool:
        """Whether the part with the advanced limits has something that is not as usual, or is wrong."""
        wrong = any(name in self.errors for name in self.ADVANCED) if self.is_bound else False
        told = [self[name].value() for name in self.ADVANCED if name != "scopes"]
        return wrong or any(told) or set(self["scopes"].value() or ()) != set(KeyScope.values)


class EditKeyForm(KeyFields):
    """A new name, other limits or another end for a key."""

    @classmethod
    def of(
        cls, key: ApiKey, data: Mapping[str, Any] | None = None, models: Sequence[tuple[str, str]] = ()
    ) -> "EditKeyForm":
        """Return the form as the key stands, or as it was sent."""
        named = [slug for slug, _ in models]
        gone = [(slug, f"{slug} (not offered any more)") for slug in key.image_models if slug not in named]
        initial = {name: getattr(key, name) for name in ("name", "monthly_credit_cap", *cls.ADVANCED)}
        initial["allowed_ips"] = "\n".join(key.allowed_ips)
        initial["expires_on"] = (key.expires_at - timedelta(microseconds=1)).date() if key.expires_at else None
        return cls(data, initial=initial, models=[*models, *gone])

    @property
    def end(self) -> dict[str, datetime | None]:
        """What a valid form changes about when its key stops: nothing where the day is the same."""
        is_asked = self.cleaned_data["has_limits"]
        is_same = self.cleaned_data["expires_on"] == self.initial["expires_on"]
        return {} if is_same or not is_asked else {"expires_at": self.expires_at}


class ApiKeyForm(KeyFields):
    """A new API key. `nonce` is new on each page, so that a form sent twice makes one key."""

    nonce = forms.UUIDField(error_messages={"required": OLD_PAGE, "invalid": OLD_PAGE})
    kind = forms.ChoiceField(
        required=False,
        choices=[("live", "Live"), ("test", "Test")],
        initial="live",
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choose a live key or a test key."},
    )

    @property
    def is_test(self) -> bool:
        """Whether a valid form asks for a key that draws samples."""
        return bool(self.cleaned_data["kind"] == "test")


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
