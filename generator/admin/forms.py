"""The forms for models, upstreams, routes and prices. They refuse in words what could not work."""

from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.staff.acts import REASON_MAX_LENGTH
from generator.models import ASPECT_RATIOS, DEFAULT_UPSTREAM, ImageModel, Operation, Route, Upstream
from generator.upstreams import costs, secret, staff
from generator.upstreams.registry import DIALECTS

SIZES = ("1K", "2K", "4K")
QUALITIES = ("low", "medium", "high")
MOST_MICROS = 1_000_000 * costs.MICROS  # a slip of the finger stays readable


# Where a column's name is no word of an operator's.
LABELS = {
    "slug": "Name in addresses and programs",
    "is_active": "In use",
    "has_seed": "Seeds",
    "dialect": "Protocol",
    "base_url": "Address",
    "timeout_seconds": "Seconds to take a job",
    "max_in_flight": "At once",
    "per_minute": "A minute",
    "may_resend": "Send again elsewhere",
    "their_name": "Its name there",
    "cost": "A job costs",
    "cost_currency": "Currency",
}


class StaffForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its model only for type checkers
    """A row, why it is changed, and, where that would stop something, whether it is meant."""

    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why; kept in the audit records.",
    )
    confirm = forms.BooleanField(required=False, label="I mean it", widget=UnfoldBooleanSwitchWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LABELS.keys() & self.fields.keys():
            self.fields[name].label = LABELS[name]
        if not self.is_bound or not self.stops:
            self.fields["confirm"].widget = forms.HiddenInput()

    @property
    def stops(self) -> str:
        """What would stop if this is saved, in words; "" where nothing does."""
        return ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if (words := self.stops) and not data.get("confirm"):
            self.add_error("confirm", words)
        return data

    def turns_off(self) -> bool:
        """Whether the form takes the row out of use."""
        return bool(self.instance.pk and self.initial.get("is_active") and "is_active" not in self.data)


def _choices(usual: tuple[str, ...], kept: list[str]) -> list[tuple[str, str]]:
    return [(one, one) for one in dict.fromkeys([*usual, *kept])]


def _boxes(**options: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(widget=UnfoldAdminCheckboxSelectMultipleWidget, **options)


class ImageModelForm(StaffForm):
    """What people choose; its lists are boxes to tick."""

    operations = _boxes(choices=Operation.choices, help_text="What it is offered for, as far as a route leads there.")
    aspect_ratios = _boxes(choices=[(one, one) for one in ASPECT_RATIOS], help_text="The shapes it draws.")
    sizes = _boxes(required=False, help_text="The size classes it offers; none ticked: no choice.")
    qualities = _boxes(required=False, help_text="The qualities it offers; none ticked: no choice.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, usual in (("sizes", SIZES), ("qualities", QUALITIES)):
            # Typed as any field: only those with choices have them.
            self.fields[name].choices = _choices(usual, getattr(self.instance, name))  # type: ignore[attr-defined]

    @property
    def stops(self) -> str:
        if not self.turns_off():
            return ""
        waiting = staff.waiting([self.instance])
        words = "It is no longer offered: requests that name it are refused."
        if waiting:
            images = f"{waiting:,} image{'' if waiting == 1 else 's'}"
            words += f" {images} of it {'is' if waiting == 1 else 'are'} not drawn yet, and still will be."
        return words


class UpstreamForm(StaffForm):
    """Where an upstream is and how we get in. What its key is never leaves: it is only replaced."""

    key = forms.CharField(
        required=False,
        max_length=secret.MOST + 100,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = f"Now: {secret.told(self.instance.secret)}. Leave it empty to keep that. " if self.instance.pk else ""
        self.fields["key"].help_text = (
            f"{known}Paste a key, or name a variable of the environment, as in env:FAL_KEY. It is kept encrypted, and "
            "shown to nobody again."
        )
        if "base_url" in self.fields:
            self.fields["base_url"].help_text = (
                "Empty: REVE_API_URL."
                if self.instance.slug == DEFAULT_UPSTREAM
                else "As https://api.openai.com/v1, https://queue.fal.run, https://api.replicate.com, or your own."
            )

    def clean_base_url(self) -> str:
        url = str(self.cleaned_data["base_url"]).strip().rstrip("/")
        if not url:
            if self.instance.slug != DEFAULT_UPSTREAM:
                raise ValidationError("Say where it is. Only the environment’s own upstream, reve, may leave it empty.")
            return ""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValidationError("An address that begins with https:// or http://.")
        if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
            raise ValidationError("An address without user, query or fragment.")
        return url

    def clean_key(self) -> str:
        """Return what is stored for the key; "" keeps what there is."""
        try:
            return secret.seal(self.cleaned_data["key"])
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        """Send a key nowhere but where it was given for."""
        data = super().clean()
        if "base_url" not in data or "key" not in data:
            return data
        url, sealed = data["base_url"], data["key"]
        before = self.initial.get("base_url", "") if self.instance.pk else None
        moved = before is not None and _origin(before) != _origin(url)
        if sealed:
            self.instance.secret = sealed
        elif not url:
            self.instance.secret = "" if moved else self.instance.secret
        elif before is None:
            self.add_error("key", "It needs a key of its own: paste one, or name a variable as in env:FAL_KEY.")
        elif moved:
            self.add_error("key", "Give the key again: the present one was given for another host.")
        if not url and data.get("dialect") not in (None, Upstream.Dialect.REVE_ART.value):
            self.add_error("base_url", "Say where it is: REVE_API_URL speaks the Reve Art API.")
        return data


class RouteForm(StaffForm):
    """One way to have something drawn, and what a job costs there, in money or in the upstream's own credits."""

    cost = forms.CharField(
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="What a job costs us there, as in 0.04. Empty: not known.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.cost_micros is not None:
            self.initial["cost"] = costs.plain(self.instance.cost_micros)

    @property
    def stops(self) -> str:
        if not self.turns_off() or not (left := staff.left_without(route=self.instance)):
            return ""
        return f"Nothing else draws this: {'; '.join(map(_what, left))}. Such requests are refused then."

    def clean_cost(self) -> int | None:
        written = str(self.cleaned_data["cost"]).strip().replace(",", "")
        if not written:
            return None
        try:
            micros = Decimal(written) * costs.MICROS
            whole = int(micros)
        except (InvalidOperation, ValueError, OverflowError):
            raise ValidationError("A number, as in 0.04, with a point before the decimals.") from None
        if not 0 <= whole <= MOST_MICROS or whole != micros:
            raise ValidationError("A number from 0 on, with six decimals at most.")
        return whole

    def clean_cost_currency(self) -> str:
        currency = str(self.cleaned_data["cost_currency"]).strip().upper()
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise ValidationError("Three letters, as in USD; empty where it counts in credits of its own.")
        return currency

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        upstream = data.get("upstream") or (self.instance.upstream if self.instance.pk else None)
        operation = data.get("operation") or (self.instance.operation if self.instance.pk else None)
        dialect = DIALECTS.get(upstream.dialect) if upstream else None
        if dialect and operation and operation not in dialect.can.operations:
            does = ", ".join(str(one.label).lower() for one in Operation if one in dialect.can.operations)
            self.add_error("operation" if "operation" in self.fields else None, f"{upstream} can only {does}.")
        if "cost" in data:
            self.instance.cost_micros = data["cost"]
        return data


class ActForm(forms.Form):
    """Why. The nonce tells a form that is sent twice from two acts."""

    nonce = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit records.",
    )


class PriceForm(forms.Form):
    """What an image costs its owner from now on."""

    model = forms.ModelChoiceField(ImageModel.objects.all(), empty_label=None, widget=UnfoldAdminSelectWidget)
    operation = forms.ChoiceField(choices=Operation.choices, widget=UnfoldAdminSelectWidget)
    size = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget, help_text="Any: all that have no price of their own."
    )
    quality = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget, help_text="Any: all that have no price of their own."
    )
    credits = forms.IntegerField(min_value=1, max_value=1000, widget=UnfoldAdminIntegerFieldWidget)
    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH, widget=UnfoldAdminTextInputWidget, help_text="Kept in the audit records."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = list(ImageModel.objects.all())
        for name, values in (
            ("size", [size for model in models for size in model.sizes]),
            ("quality", [quality for model in models for quality in model.qualities]),
        ):
            # Typed as any field: only those with choices have them.
            self.fields[name].choices = [("", "Any"), *_choices((), values)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        model = data.get("model")
        if model is not None:
            for name, offered in (("size", model.sizes), ("quality", model.qualities)):
                if data.get(name) and data[name] not in offered:
                    self.add_error(name, f"{model} does not offer it.")
        return data


def _what(route: Route) -> str:
    return f"{route.model}, {route.get_operation_display().lower()}"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
