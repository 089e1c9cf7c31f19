"""Codes that bring credits: what there is and how far it is used, making more, switching off, and who redeemed."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.many_rows import ManyRows
from accounts.read_only import ReadOnlyAdmin, link
from accounts.viewer import user_of
from billing.admin.columns import person
from billing.codes import making, redeeming, spelling
from billing.errors import CodeRefused, UnknownCode
from billing.models import Code, CodeOffer, Redemption
from billing.staff import acts
from kit.http.csv_export import to_csv
from kit.http.requests import site_of
from kit.moments import moment

LATEST = 20  # redemptions on an offer's page
MAX_YEARS = 10


def _day_field(label: str, words: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return forms.DateField(required=False, label=label, widget=widget, help_text=words)


class OfferForm(forms.Form):
    """What both kinds of codes ask for."""

    nonce = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(
        max_length=60, widget=UnfoldAdminTextInputWidget, help_text="People see it in their credit history."
    )
    credits = forms.IntegerField(
        min_value=1, max_value=acts.MAX_CREDITS, widget=UnfoldAdminIntegerFieldWidget, help_text="That each use brings."
    )
    credits_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=366 * MAX_YEARS,
        label="Days to use them",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="After redeeming. Empty: they never expire.",
    )
    starts_on = _day_field("From", "The first day on which it can be redeemed (UTC). Empty: from now on.")
    ends_on = _day_field("Until", "The last day on which it can be redeemed (UTC). Empty: without an end.")
    new_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=366,
        label="Only new accounts, of at most so many days",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: everybody.",
    )
    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        label="What it is for",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="For staff: kept with it, and in the audit records.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("starts_on"), data.get("ends_on")
        today = timezone.now().date()
        if last and not (first or today) <= last <= today + timedelta(days=366 * MAX_YEARS):
            self.add_error("ends_on", "Not before its first day, and not in the past.")
        if "\x00" in str(data.get("name", "")):
            self.add_error("name", "Plain words.")
        return data

    @property
    def terms(self) -> making.Terms:
        data = self.cleaned_data
        starts, ends = data.get("starts_on"), data.get("ends_on")
        return making.Terms(
            name=data["name"],
            note=data["reason"],
            credits=data["credits"],
            credits_days=data["credits_days"],
            starts_at=_midnight(starts) if starts else timezone.now(),
            ends_at=_midnight(ends + timedelta(days=1)) if ends else None,
            new_days=data["new_days"],
            is_once=data.get("is_once", True),
        )


class PromoForm(OfferForm):
    """One code of the operator's choice."""

    code = forms.CharField(
        max_length=spelling.LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="As in SPRING24: letters and digits. Capitals, spaces and dashes make no difference, and what looks "
        "alike (0 and O, 1, I and L) is the same.",
    )
    most = forms.IntegerField(
        min_value=1,
        max_value=making.MOST_USES,
        label="Uses",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="By how many people in all. Each of them redeems it once.",
    )
    field_order = ["code", "name", "credits", "most", "credits_days", "starts_on", "ends_on", "new_days", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False
        self.fields["name"].help_text = "People see it in their credit history. Empty: the code."

    def clean_code(self) -> str:
        typed = str(self.cleaned_data["code"]).strip().upper()
        if not spelling.folded(typed):
            raise forms.ValidationError(f"From {spelling.SHORTEST} to {spelling.LONGEST} letters (A to Z) and digits.")
        return typed

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        data["name"] = data.get("name") or data.get("code", "")
        return data


class BatchForm(OfferForm):
    """Many codes, for one use each."""

    count = forms.IntegerField(
        min_value=1, max_value=making.MOST_CODES, label="Codes", widget=UnfoldAdminIntegerFieldWidget
    )
    begin = forms.CharField(
        required=False,
        max_length=spelling.PREFIX_LONGEST,
        label="Beginning",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="What all of them begin with, as in FAIR26.",
    )
    is_once = forms.BooleanField(
        required=False,
        label="One for each person",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Off: somebody may redeem several of them, as with gift cards.",
    )
    field_order = [
        "name",
        "count",
        "begin",
        "credits",
        "credits_days",
        "starts_on",
        "ends_on",
        "new_days",
        "is_once",
        "reason",
    ]

    def clean_begin(self) -> str:
        typed = str(self.cleaned_data["begin"]).strip().upper()
        if typed and not (typed.isascii() and typed.isalnum()):
            raise forms.ValidationError("Letters (A to Z) and digits.")
        return typed


class OffForm(forms.Form):
    """Why, and whether all codes of a batch or one of them."""

    code = forms.CharField(
        required=False,
        max_length=2 * spelling.LONGEST,
        label="Only this code",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="The whole code. Empty: all of them.",
    )
    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit records.",
    )

    def __init__(self, *args: Any, offer: CodeOffer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer = offer
        self.found: Code | None = None
        if offer.kind == CodeOffer.Kind.PROMO:
            del self.fields["code"]

    def clean_code(self) -> str:
        typed = str(self.cleaned_data["code"]).strip()
        if typed:
            try:
                code = redeeming.find(typed)
            except UnknownCode:
                raise forms.ValidationError("There is no such code.") from None
            if code.offer_id != self.offer.pk:
                raise forms.ValidationError("It is none of these.")
            self.found = code
        return typed


class State(admin.SimpleListFilter):
    """Whether codes can be redeemed now."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", "Can be redeemed"), ("over", "Ended"), ("off", "Switched off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CodeOffer]) -> QuerySet[CodeOffer] | None:
        now = timezone.now()
        match self.value():
            case "on":
                return queryset.filter(Q(ends_at=None) | Q(ends_at__gt=now), off_at=None, starts_at__lte=now)
            case "over":
                return queryset.filter(off_at=None, ends_at__lte=now)
            case "off":
                return queryset.exclude(off_at=None)
        return None


@admin.register(CodeOffer)
class CodeOfferAdmin(ReadOnlyAdmin):
    empty_title = "No codes yet"
    empty_words = (
        "A promo code is one word for many people; redemption codes bring credits once each. Make either above."
    )
    list_display = ["name", "what", "credits", "used", "state", "until", "created_at"]
    list_display_links = ["name"]
    list_filter = ["kind", State, "created_at"]
    search_fields = ["name", "note"]
    search_help_text = "Words of its name or note, or a whole code."
    ordering = ["-id"]
    list_before_template = "admin/billing/codes/ways.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CodeOffer]:
        offers: QuerySet[CodeOffer] = super().get_queryset(request)
        return offers.annotate(uses=Sum("codes__redeemed"), most=Sum("codes__most"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CodeOffer], search_term: str
    ) -> tuple[QuerySet[CodeOffer], bool]:
        digest = spelling.digest(search_term)
        if digest and (known := queryset.filter(codes__digest=digest)).exists():
            return known, True
        found: tuple[QuerySet[CodeOffer], bool] = super().get_search_results(request, queryset, search_term)
        return found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("promo/", view(self._promo), name="code_promo"),
            path("batch/", view(self._batch), name="code_batch"),
            path("<int:pk>/off/", view(self._off), name="code_off"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what is offered, how far it is used, and by whom last."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        offer: Any = self.get_object(request, object_id)
        if offer is None:
            raise Http404
        code = offer.codes.first() if offer.kind == CodeOffer.Kind.PROMO else None
        context = {
            **self._context(request),
            "title": offer.name,
            "offer": offer,
            "code": code,
            "state": self.state(offer),
            "link": f"{site_of(request)}{reverse('redeem')}?code={code.shown}" if code else "",
            "left": offer.most - offer.uses,
            "brought": offer.redemptions.aggregate(sum=Sum("credits"))["sum"] or 0,
            "latest": offer.redemptions.select_related("wallet__user", "code")[:LATEST],
            "may": acts.may(user_of(request), making.PERMISSION),
        }
        return TemplateResponse(request, "admin/billing/codes/page.html", context)

    @display(description="Kind", ordering="kind")
    def what(self, offer: CodeOffer) -> str:
        return offer.get_kind_display()

    @display(description="Redeemed")
    def used(self, offer: Any) -> SafeString | str:
        words = f"{offer.uses or 0:,} of {offer.most or 0:,}"
        url = f"{reverse('admin:billing_redemption_changelist')}?offer__id__exact={offer.pk}"
        return link(url, words) if offer.uses else words

    @display(
        description="State",
        label={"Open": "success", "Not yet": "info", "Ended": "", "Used up": "", "Switched off": "warning"},
    )
    def state(self, offer: Any) -> str:
        now = timezone.now()
        if offer.off_at:
            return "Switched off"
        if offer.ends_at and offer.ends_at <= now:
            return "Ended"
        if (offer.uses or 0) >= (offer.most or 0):
            return "Used up"
        return "Not yet" if offer.starts_at > now else "Open"

    @display(description="Until", ordering=F("ends_at").asc(nulls_last=True))
    def until(self, offer: CodeOffer) -> SafeString | str:
        return moment(offer.ends_at) if offer.ends_at else "–"

    def _promo(self, request: HttpRequest) -> HttpResponse:
        self._require(request)
        form = PromoForm(request.POST or None)
        if form.is_valid():
            data = form.cleaned_data
            try:
                offer = making.make_promo(
                    actor=user_of(request),
                    typed=data["code"],
                    most=data["most"],
                    terms=form.terms,
                    reason=data["reason"],
                    nonce=data["nonce"],
                )
            except CodeRefused as error:
                form.add_error("code", str(error))
            else:
                messages.success(request, f"{data['code']} can be redeemed.")
                return redirect("admin:billing_codeoffer_change", offer.pk)
        return self._form(request, form, "New promo code", "Make the code")

    @method_decorator(sensitive_post_parameters())
    @method_decorator(sensitive_variables())
    def _batch(self, request: HttpRequest) -> HttpResponse:
        self._require(request)
        form = BatchForm(request.POST or None)
        if not form.is_valid():
            note = (
                "The file with the codes comes as the answer, this once: only their hashes are kept here. Each is "
                "worth its credits to whoever has it."
            )
            return self._form(request, form, "New redemption codes", "Make and download", note)
        data = form.cleaned_data
        offer, codes = making.make_batch(
            actor=user_of(request),
            count=data["count"],
            prefix=data["begin"],
            terms=form.terms,
            reason=data["reason"],
            nonce=data["nonce"],
        )
        if not codes:
            messages.info(
                request,
                "These codes were made already; their file goes out once. If it did not reach you, switch them off and "
                "make new ones.",
            )
            return redirect("admin:billing_codeoffer_change", offer.pk)
        address = f"{site_of(request)}{reverse('redeem')}?code="
        lines = to_csv([("code", "link", "credits"), *((code, address + code, offer.credits) for code in codes)])
        response = HttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="codes-{offer.pk}.csv"'
        response["Cache-Control"] = "no-store"
        return response

    def _off(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._require(request)
        offer: Any = self.get_object(request, str(pk))
        if offer is None:
            raise Http404
        form = OffForm(request.POST or None, offer=offer)
        back = reverse("admin:billing_codeoffer_change", args=[pk])
        if form.is_valid():
            done = making.switch_off(
                actor=user_of(request), offer=offer, code=form.found, reason=form.cleaned_data["reason"]
            )
            what = f"{form.found.shown} of {offer.name}" if form.found else offer.name
            told = f"{what} is switched off." if done else f"{what} was switched off before."
            messages.success(request, told)
            return redirect(back)
        note = "Nobody can redeem it any more, and it cannot be switched on again. Credits that it brought stay."
        return self._form(request, form, f"Switch off {offer.name}", "Switch off", note, back=back, danger=True)

    def _form(
        self, request: HttpRequest, form: forms.Form, title: str, button: str, note: str = "", **values: Any
    ) -> HttpResponse:
        back = reverse("admin:billing_codeoffer_changelist")
        context = {
            **self._context(request),
            "title": title,
            "form": form,
            "button": button,
            "note": note,
            "back": back,
            **values,
        }
        return TemplateResponse(request, "admin/billing/codes/form.html", context)

    def _require(self, request: HttpRequest) -> None:
        if not acts.may(user_of(request), making.PERMISSION):
            raise PermissionDenied

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}


@admin.register(Redemption)
class RedemptionAdmin(ReadOnlyAdmin):
    empty_title = "Nobody has redeemed a code yet"
    empty_words = "Each redemption is listed here: who, when, which code, and the credits it brought."
    list_display = ["created_at", "whose", "what", "code", "credits"]
    list_filter = [("offer__kind", admin.ChoicesFieldListFilter), "created_at"]
    list_select_related = ["wallet__user", "offer", "code"]
    linked_lookups = frozenset({"offer__id__exact", "wallet__id__exact"})
    search_fields = ["=wallet__user__email"]
    search_help_text = "Somebody's whole email address."
    ordering = ["-created_at", "-id"]
    many_rows = ManyRows("created_at")
    fields = ["created_at", "whose", "what", "code", "credits"]
    readonly_fields = ["whose", "what", "code"]

    @display(description="Person")
    def whose(self, redemption: Redemption) -> SafeString | str:
        return person(redemption.wallet)

    @display(description="Offer", ordering="offer")
    def what(self, redemption: Redemption) -> SafeString:
        return link(reverse("admin:billing_codeoffer_change", args=[redemption.offer_id]), redemption.offer)


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(0), UTC)
