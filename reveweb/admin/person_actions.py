"""What staff can do on a person's page: each act is a form that explains itself, and one call of `billing.staff`."""

from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts.models import ApiKey, User
from accounts.read_only import change_url
from billing import ledger
from billing.catalogue import money, products
from billing.errors import BillingError, NothingToTake, NotSpent, SubscriptionDecides, UnknownHold
from billing.models import CreditEntry, Payment, Plan, StaffRefund, Wallet
from billing.staff import acts, refunds, roles
from billing.stripe import checkout
from billing.stripe.events.refunds import Taking, would_take
from generator.models import Generation
from kit.http.requests import without_nul
from reveweb.admin.forms import CreditsForm, GrantForm, PlanForm, RateLimitForm, ReasonForm, RefundForm, RoleForm

Facts = list[tuple[str, Any]]

REFUSALS: dict[type[BillingError], str] = {
    NothingToTake: "The balance is zero: there is nothing to take.",
    NotSpent: "This image's credit was not spent: it is still set aside, or it came back already.",
    UnknownHold: "This image cost no credit.",
    SubscriptionDecides: "A subscription is running and decides on the plan. Change or cancel it at Stripe first.",
}


class Act:
    """One act on one person, for which one of `permissions` is needed."""

    title: ClassVar[str]
    button: str
    permissions: ClassVar[tuple[str, ...]]
    form_class: ClassVar[type[ReasonForm]] = ReasonForm
    danger: ClassVar[bool] = False
    asks_first: ClassVar[bool] = False  # what `effect` says is to be confirmed
    section: ClassVar[str] = ""  # of the person's page, which is shown afterwards
    note: str = ""
    level: int = messages.SUCCESS  # of what `run` says

    def __init__(self, actor: User, user: User) -> None:
        self.actor, self.user = actor, user

    def prepare(self, **names: Any) -> None:
        """Look up what the address names beside the person. Raises Http404."""

    def form(self, data: Any = None) -> ReasonForm:
        return self.form_class(data, initial=self.initial(), **self.form_options())

    def initial(self) -> dict[str, Any]:
        return {}

    def form_options(self) -> dict[str, Any]:
        return {}

    def facts(self) -> Facts:
        """What one should see before doing it."""
        return [("Balance", f"{self.wallet.balance:,} credits")] if self.wallet else []

    def obstacle(self) -> str:
        """Why it cannot be done now, "" when it can."""
        return ""

    def effect(self, form: ReasonForm) -> list[str]:
        """What it will do, in sentences that are to be confirmed first; none where the form says it all."""
        return []

    def repeated(self, nonce: str) -> str:
        """What to say when this form was sent before and is not to be looked at again; "" when it was not."""
        return ""

    def run(self, form: ReasonForm) -> str:
        """Do it and return what to say about it."""
        raise NotImplementedError

    @property
    def wallet(self) -> Wallet | None:
        return Wallet.objects.filter(user=self.user).select_related("plan").first()

    @property
    def opened(self) -> Wallet:
        """The account, opened if the person never used it."""
        return ledger.wallet_of(self.user.pk)


class Grant(Act):
    title, button, permissions = "Grant credits", "Grant", ("grant_any", "grant_few")
    form_class = GrantForm

    def form_options(self) -> dict[str, Any]:
        return {"actor": self.actor}

    def obstacle(self) -> str:
        return "" if acts.left_today(self.actor) else acts.enough(0)

    def repeated(self, nonce: str) -> str:
        known = CreditEntry.objects.filter(wallet__user=self.user, reference=f"staff:{without_nul(nonce)}").first()
        return self._told(known) if known else ""

    def run(self, form: ReasonForm) -> str:
        assert isinstance(form, GrantForm)
        entry = acts.grant(
            actor=self.actor,
            wallet=self.opened,
            credits=form.cleaned_data["credits"],
            reason=form.cleaned_data["reason"],
            reference=f"staff:{form.cleaned_data['nonce']}",
            expires_at=form.expires_at,
        )
        return self._told(entry)

    def _told(self, entry: CreditEntry) -> str:
        return f"Granted {entry.amount:,} credits. After it the balance was {entry.balance_after:,}."


class Take(Act):
    title, button, permissions, danger = "Take credits", "Take", ("take_credits",), True
    form_class = CreditsForm
    note = "As many are taken as there are, those first that expire soonest: the balance never goes below zero."

    def form_options(self) -> dict[str, Any]:
        return {"limit": acts.MAX_CREDITS}

    def run(self, form: ReasonForm) -> str:
        data = form.cleaned_data
        entry = acts.take(
            actor=self.actor,
            wallet=self.opened,
            credits=data["credits"],
            reason=data["reason"],
            reference=f"staff:{data['nonce']}",
        )
        return f"Took {-entry.amount:,} credits. The balance is {entry.balance_after:,}."


class RefundPayment(Act):
    title, button, permissions, danger = "Refund a payment", "Refund", ("refund_payment",), True
    form_class = RefundForm
    asks_first = True
    section = "payments"

    def prepare(self, **names: Any) -> None:
        payments = Payment.objects.select_related("grant", "account", "wallet")
        payments = payments.prefetch_related("disputes", "staff_refunds")
        self.payment = get_object_or_404(payments, pk=names["payment_id"], wallet__user=self.user)

    def form_options(self) -> dict[str, Any]:
        return {"currency": self.payment.currency, "most": refunds.available(self.payment)}

    def facts(self) -> Facts:
        payment = self.payment
        facts: Facts = [
            ("For", payment.description),
            ("Paid", f"{self._money(payment.amount)} on {payment.created_at:%-d %B %Y}"),
            ("Refunded", self._money(payment.refunded) if payment.refunded else "Nothing"),
        ]
        if on_its_way := payment.amount - payment.refunded - refunds.available(payment):
            facts.append(("On its way back", self._money(on_its_way)))
        if payment.grant:
            facts.append(("Credits", f"{payment.grant.remaining:,} of {payment.grant.amount:,} left"))
        return facts

    def obstacle(self) -> str:
        return refunds.obstacle(self.payment)

    def repeated(self, nonce: str) -> str:
        asked = next((one for one in self.payment.staff_refunds.all() if str(one.nonce) == nonce), None)
        return self._told(asked) if asked else ""

    def effect(self, form: ReasonForm) -> list[str]:
        amount = form.cleaned_data["amount"]
        self.button = f"Refund {self._money(amount)}"
        return [
            f"Refunds {self._money(amount)} of {self._money(self.payment.amount)}.",
            *_credits_taken(would_take(self.payment, amount)),
        ]

    def run(self, form: ReasonForm) -> str:
        asked = refunds.refund(
            actor=self.actor,
            payment=self.payment,
            amount=form.cleaned_data["amount"],
            reason=form.cleaned_data["reason"],
            nonce=form.cleaned_data["nonce"],
        )
        return self._told(asked)

    def _told(self, asked: StaffRefund) -> str:
        words = self._money(asked.amount)
        if asked.status == StaffRefund.Status.MADE:
            return f"The refund of {words} is on its way: Stripe has made it, and the books follow when it says so."
        self.level = messages.WARNING
        if asked.status == StaffRefund.Status.ASKED:
            return (
                f"Stripe has not answered yet. The refund of {words} is on record: it is asked for again by itself "
                "until Stripe answers, and made once."
            )
        return f"The refund of {words}: {asked.last_error or asked.get_status_display()}"

    def _money(self, amount: int) -> str:
        return money.full(amount, self.payment.currency)


def _credits_taken(taking: Taking | None) -> list[str]:
    if taking is None:
        return ["This payment brought no credits: none are taken back."]
    are = "is" if taking.credits == 1 else "are"
    if not taking.left:
        return [f"None of the {taking.brought:,} credits that this payment brought are left: none are taken back."]
    if taking.left == taking.brought:
        left = f"All {taking.brought:,} credits that this payment brought are left:"
    else:
        left = f"Of the {taking.left:,} credits left of the {taking.brought:,} that this payment brought,"
    words = [f"{left} {taking.credits:,} {are} taken back."]
    if taking.later:
        words.append(
            f"{taking.later:,} of these are set aside for images, or kept back: they are taken as they return."
        )
    return words


class ReturnCredit(Act):
    title, button, permissions = "Return an image's credit", "Return the credit", ("return_credit",)
    note = "It goes back to the grant it came from; if that has expired since, there are 7 days to use it."

    def prepare(self, **names: Any) -> None:
        self.generation = get_object_or_404(Generation, public_id=names["public_id"], wallet__user=self.user)

    def facts(self) -> Facts:
        generation = self.generation
        return [
            ("Image", generation.public_id),
            ("Status", generation.get_status_display()),
            *([("Prompt", generation.prompt[:300])] if self.actor.has_perm("generator.view_generation") else []),
            *super().facts(),
        ]

    def obstacle(self) -> str:
        left, most, credits = acts.left_today(self.actor), acts.grant_limit(self.actor), self.generation.credits
        if credits > left:
            return acts.enough(left)
        return f"You may return {most:,} credits at a time, and this image cost {credits:,}." if credits > most else ""

    def run(self, form: ReasonForm) -> str:
        entry = acts.return_credit(
            actor=self.actor,
            wallet=self.opened,
            reference=self.generation.credit_reference,
            reason=form.cleaned_data["reason"],
        )
        what = "The credit is" if entry.amount == 1 else f"The {entry.amount:,} credits are"
        return f"{what} back. After it the balance was {entry.balance_after:,}."


class ChangePlan(Act):
    title, button, permissions = "Change the plan", "Change", ("change_limits",)
    form_class = PlanForm

    @property
    def plan(self) -> Plan | None:
        wallet = self.wallet
        return products.plan_of(wallet) if wallet else products.free_plan()

    def initial(self) -> dict[str, Any]:
        return {"plan": self.plan}

    def facts(self) -> Facts:
        return [("Plan now", self.plan or "None")]

    def obstacle(self) -> str:
        wallet = self.wallet
        running = wallet and checkout.live_subscription(wallet)
        return REFUSALS[SubscriptionDecides] if running else ""

    def run(self, form: ReasonForm) -> str:
        plan = form.cleaned_data["plan"]
        acts.change_plan(actor=self.actor, wallet=self.opened, plan=plan, reason=form.cleaned_data["reason"])
        return f"The plan is {plan} now."


class ChangeRateLimit(Act):
    title, button, permissions = "Change the rate limit", "Change", ("change_limits",)
    form_class = RateLimitForm

    def initial(self) -> dict[str, Any]:
        wallet = self.wallet
        return {"per_minute": wallet.rate_limit if wallet else None}

    def facts(self) -> Facts:
        return []

    def run(self, form: ReasonForm) -> str:
        limit = form.cleaned_data["per_minute"]
        reason = form.cleaned_data["reason"]
        acts.change_rate_limit(actor=self.actor, wallet=self.opened, per_minute=limit, reason=reason)
        return f"The rate limit is {limit:,} a minute now." if limit else "The rate limit is the plan's now."


class Suspend(Act):
    title, button, permissions, danger = "Suspend", "Suspend", ("suspend_user",), True
    note = (
        "Their sessions and API keys stop with the next request. Images that are being drawn are finished. They are "
        "mailed that they are suspended, without your reason."
    )

    def obstacle(self) -> str:
        if self.user.pk == self.actor.pk:
            return "This is you."
        if self.user.deleted_at:
            return "They deleted their account."
        return "" if self.user.is_active else "They are suspended already."

    def run(self, form: ReasonForm) -> str:
        acts.suspend(actor=self.actor, user=self.user, reason=form.cleaned_data["reason"])
        return f"{self.user.email} is suspended."


class Restore(Act):
    title, button, permissions = "Restore", "Restore", ("suspend_user",)
    note = "They can log in again. API keys that were not revoked work again."

    def obstacle(self) -> str:
        if self.user.deleted_at:
            return "They deleted their account: it is closed for good."
        return "They are not suspended." if self.user.is_active else ""

    def run(self, form: ReasonForm) -> str:
        acts.restore(actor=self.actor, user=self.user, reason=form.cleaned_data["reason"])
        return f"{self.user.email} is restored."


class RevokeKeys(Act):
    title, button, permissions, danger = "Revoke all API keys", "Revoke all", ("revoke_key",), True
    note = "Requests with them are refused from now on. This cannot be undone."

    def prepare(self, **names: Any) -> None:
        self.keys = list(ApiKey.objects.filter(user=self.user, revoked_at=None))

    def facts(self) -> Facts:
        return [(key.name, f"{key.prefix}…") for key in self.keys]

    def obstacle(self) -> str:
        return "" if self.keys else "There is no live API key."

    def run(self, form: ReasonForm) -> str:
        reason = form.cleaned_data["reason"]
        count = acts.revoke_keys(actor=self.actor, user=self.user, api_keys=self.keys, reason=reason)
        return f"{count} API key{'s are' if count != 1 else ' is'} revoked."


class RevokeKey(RevokeKeys):
    title, button = "Revoke an API key", "Revoke"
    note = "Requests with it are refused from now on. This cannot be undone."

    def prepare(self, **names: Any) -> None:
        key = get_object_or_404(ApiKey, pk=names["key_id"], user=self.user)
        self.keys = [] if key.revoked_at else [key]

    def obstacle(self) -> str:
        return "" if self.keys else "It is revoked already."


class ChangeRole(Act):
    title, button, permissions = "Change the role", "Change", ("assign_role",)
    form_class = RoleForm
    note = (
        "Support looks at people and images, revokes keys and grants a few credits. Finance looks at payments, grants "
        "and takes any number of credits, edits plans and packs. Admin does all of that, suspends people, gives roles."
    )

    def initial(self) -> dict[str, Any]:
        return {"role": roles.role_of(self.user)}

    def facts(self) -> Facts:
        return [("Role now", roles.role_of(self.user).capitalize() or "None")]

    def obstacle(self) -> str:
        if self.user.pk == self.actor.pk:
            return "This is you."
        return "A superuser may do everything: roles change nothing." if self.user.is_superuser else ""

    def run(self, form: ReasonForm) -> str:
        role = form.cleaned_data["role"]
        acts.set_role(actor=self.actor, user=self.user, role=role, reason=form.cleaned_data["reason"])
        return f"{self.user.email} has the role {role} now." if role else f"{self.user.email} is no staff now."


ACTS: dict[str, tuple[str, type[Act]]] = {
    # name of its address → path below the person's page, act
    "person_grant": ("grant/", Grant),
    "person_take": ("take/", Take),
    "person_refund": ("payments/<int:payment_id>/refund/", RefundPayment),
    "person_return_credit": ("images/<str:public_id>/return/", ReturnCredit),
    "person_plan": ("plan/", ChangePlan),
    "person_rate_limit": ("rate-limit/", ChangeRateLimit),
    "person_suspend": ("suspend/", Suspend),
    "person_restore": ("restore/", Restore),
    "person_revoke_keys": ("keys/revoke/", RevokeKeys),
    "person_revoke_key": ("keys/<int:key_id>/revoke/", RevokeKey),
    "person_role": ("role/", ChangeRole),
}


def answer(
    request: HttpRequest, context: dict[str, Any], act_class: type[Act], user_id: int, **names: Any
) -> HttpResponse:
    """Show the act's form; a valid POST does it and leads back to the person."""
    actor = request.user
    if not isinstance(actor, User) or not actor.has_perm("accounts.view_user"):
        raise PermissionDenied
    if not any(acts.may(actor, permission) for permission in act_class.permissions):
        raise PermissionDenied
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    act = act_class(actor, user)
    act.prepare(**names)
    if request.method == "POST" and (words := act.repeated(request.POST.get("nonce", ""))):
        return _done(request, act, words)
    out_of_reach = roles.out_of_reach(actor, user)
    obstacle = out_of_reach or act.obstacle()
    form = act.form(request.POST if request.method == "POST" else None)
    effect: list[str] = []
    if request.method == "POST" and not obstacle and form.is_valid():
        effect = [] if "change" in request.POST else act.effect(form)
        # As it was shown: if it has changed meanwhile, it is shown anew.
        confirmed = request.POST.get("confirmed") == " ".join(effect)
        if (confirmed and effect) or not act.asks_first:
            try:
                return _done(request, act, act.run(form))
            except BillingError as error:
                form = act.form({**request.POST.dict(), "nonce": uuid4()})  # what was refused is asked anew
                form.add_error(None, forms.ValidationError(REFUSALS.get(type(error), str(error))))
                effect = []
            except (ObjectDoesNotExist, IntegrityError) as error:
                if User.objects.filter(pk=user.pk).exists():
                    raise
                raise Http404 from error  # whoever never confirmed their address may go at any time
    context |= {
        "act": act,
        "person": user,
        "form": form,
        "obstacle": obstacle,
        "effect": effect,
        "title": act.title,
        "subtitle": user.email,
    }
    return TemplateResponse(request, "admin/person/act.html", context, status=403 if out_of_reach else 200)


def _done(request: HttpRequest, act: Act, words: str) -> HttpResponse:
    messages.add_message(request, act.level, words)
    return redirect(f"{change_url(act.user)}#{act.section}" if act.section else change_url(act.user))
