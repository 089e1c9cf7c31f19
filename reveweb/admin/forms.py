"""The forms of staff's acts. They refuse in words what `billing.staff` would refuse anyway."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from billing.catalogue import money
from billing.models import Plan
from billing.staff import acts, roles

MAX_YEARS = 10


class ReasonForm(forms.Form):
    """Why. The nonce tells a form that is sent twice from two acts."""

    nonce = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit records.",
    )

    field_order: list[str] = []  # a form with more fields asks for the reason last


class CreditsForm(ReasonForm):
    """How many credits, and why; `limit` is the most that can be chosen."""

    credits = forms.IntegerField(min_value=1, widget=UnfoldAdminIntegerFieldWidget)
    field_order = ["credits", "expires_on", "reason"]

    def __init__(self, *args: Any, limit: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limit = limit
        self.fields["reason"].help_text = "Kept in the audit records, and shown to the person in their credit history."

    def clean_credits(self) -> int:
        credits = int(self.cleaned_data["credits"])
        if credits > self.limit:
            raise forms.ValidationError(f"At most {self.limit:,} here.")
        return credits


class GrantForm(CreditsForm):
    """As many as `actor` may grant to each of so many people; a grant may expire, at the end of a day."""

    expires_on = forms.DateField(
        required=False,
        label="Expires on",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="The last day on which they can be used (UTC). Empty: they never expire.",
    )

    def __init__(self, *args: Any, actor: User, people: int = 1, **kwargs: Any) -> None:
        at_a_time, left = acts.grant_limit(actor), acts.left_today(actor)
        super().__init__(*args, limit=min(at_a_time, left) // people, **kwargs)
        if left < acts.MAX_CREDITS:
            self.fields["credits"].help_text = f"At most {self.limit:,} here. {acts.enough(left)}"
        self.no_more = (
            acts.enough(left)
            if left < people
            else f"You may grant {at_a_time:,} credits in one act: choose fewer people."
        )

    @property
    def expires_at(self) -> datetime | None:
        """The midnight after the chosen day."""
        day = self.cleaned_data.get("expires_on")
        return datetime.combine(day + timedelta(days=1), time(0), UTC) if day else None

    def clean_expires_on(self) -> object:
        day = self.cleaned_data["expires_on"]
        today = timezone.now().date()
        if day and not today <= day <= today + timedelta(days=366 * MAX_YEARS):
            raise forms.ValidationError(f"A day from today on, at most {MAX_YEARS} years from now.")
        return day


class RefundForm(ReasonForm):
    """How much of a payment goes back, in money of its currency; `most` is what can, in minor units."""

    amount = forms.CharField(
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    field_order = ["amount", "reason"]

    def __init__(self, *args: Any, currency: str, most: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.most = currency, most
        self.fields["amount"].initial = money.plain(most, currency)
        self.fields["amount"].help_text = f"In {currency.upper()}, at most {money.plain(most, currency)}."

    def clean_amount(self) -> int:
        try:
            amount = money.parse(self.cleaned_data["amount"], self.currency)
        except money.NotMoney as error:
            raise forms.ValidationError(str(error)) from error
        if not 0 < amount <= self.most:
            raise forms.ValidationError(f"More than nothing, and at most {money.full(self.most, self.currency)}.")
        return amount


class PlanForm(ReasonForm):
    """Which plan's limits an account has."""

    plan = forms.ModelChoiceField(
        queryset=Plan.objects.all(),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Its limits hold from the next request on. Credits do not change: grant those.",
    )
    field_order = ["plan", "reason"]


class RateLimitForm(ReasonForm):
    """How often an account may ask for images."""

    per_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        label="Generate requests a minute",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: as the plan says. An API key with a limit of its own keeps it.",
    )
    field_order = ["per_minute", "reason"]


class RoleForm(ReasonForm):
    """What somebody may do in the admin."""

    role = forms.ChoiceField(
        required=False,
        choices=[("", "None: no staff"), *((name, name.capitalize()) for name in roles.ROLES)],
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ["role", "reason"]
