"""Dashboard → Webhooks: where an account is told of its images, and what became of each message."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import ledger
from billing.models import Wallet
from generator.ask import limits
from generator.errors import EndpointNotFound, RateLimited, TooManyEndpoints
from generator.models import MESSAGE_ID, WebhookDelivery, WebhookEndpoint, WebhookEvent
from generator.pages.owner import owners_act, page_before
from generator.webhooks import deliveries, endpoints, signing
from kit.http import callbacks
from kit.text import counted

SHOWN = 50  # messages on a page
State = WebhookDelivery.State
# What the log can be filtered by: the address's word, what people read, and the states.
FILTERS = {
    "failed": ("Failed", (State.FAILED,)),
    "waiting": ("Waiting", (State.PENDING, State.HELD)),
    "delivered": ("Delivered", (State.DELIVERED,)),
}


class EndpointForm(forms.Form):
    """Where to tell, and what."""

    use_required_attribute = False

    url = forms.CharField(
        label="Address",
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text="An https:// address of a server of yours.",
        error_messages={"required": "Write the address that is to be told, for example https://example.com/hooks."},
    )
    description = forms.CharField(
        required=False,
        max_length=200,
        help_text="What it is for, so that you recognise it later.",
        error_messages={"max_length": "Shorten the description to 200 characters."},
    )
    events = forms.MultipleChoiceField(
        choices=WebhookEvent.choices,
        initial=WebhookEvent.values,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one.", "invalid_choice": "Choose among those that are shown."},
    )

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"]).strip()
        if words := callbacks.problem_of(url):
            raise forms.ValidationError(f"The address {words}.")
        return url


@dataclass(frozen=True)
class Log:
    """A page of messages, the newest first. `older` leads to the next one."""

    rows: list[WebhookDelivery]
    state: str
    older: int | None
    is_first: bool
    failed: int

    @property
    def filters(self) -> list[tuple[str, str]]:
        return [("", "All"), *((word, words) for word, (words, _) in FILTERS.items())]

    @property
    def is_under_way(self) -> bool:
        """Whether one of them may be there in a moment."""
        return self.is_first and any(row.state == State.PENDING and row.failures == 0 for row in self.rows[:10])


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the viewer's endpoints and what was sent, and add an endpoint."""
    wallet = _wallet(request)
    form = EndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            endpoint = endpoints.add(wallet, **form.cleaned_data)
        except TooManyEndpoints as error:
            form.add_error(None, f"You have {error.most} endpoints, as many as one may have. Delete one first.")
        else:
            messages.success(request, "The endpoint is added. Send it a test to see that it works.")
            return redirect("webhook", endpoint.public_id)
    context = {
        "form": form,
        "endpoints": endpoints.of(wallet),
        "most": endpoints.MOST_ENDPOINTS,
        "log": _log(request, wallet),
        **_secret(signing.signer_of(wallet)),
    }
    return render(request, "dashboard/webhooks.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show one endpoint and what was sent there, and change it."""
    wallet = _wallet(request)
    endpoint = _endpoint(request, public_id)
    initial = {"url": endpoint.url, "description": endpoint.description, "events": endpoint.events}
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        endpoints.edit(endpoint, **form.cleaned_data)
        messages.success(request, "The endpoint is saved.")
        return redirect("webhook", public_id)
    context = {
        "form": form,
        "endpoint": endpoint,
        "log": _log(request, wallet, endpoint),
        **_secret(endpoint),
    }
    return render(request, "dashboard/webhook.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
def webhook_log(request: HttpRequest, public_id: str = "") -> HttpResponse:
    """Show the messages alone, for a page that is open while they are sent."""
    endpoint = _endpoint(request, public_id) if public_id else None
    context = {"log": _log(request, _wallet(request), endpoint), "endpoint": endpoint}
    return render(request, "dashboard/webhook_log.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, public_id: str) -> HttpResponse:
    """Ask whether to delete an endpoint; a POST does it."""
    endpoint = _endpoint(request, public_id)
    if request.method == "POST":
        endpoints.delete(endpoint)
        messages.success(request, "The endpoint is deleted. Nothing is sent there any more.")
        return redirect("webhooks")
    return render(request, "dashboard/delete_webhook.html", {"endpoint": endpoint})


@owners_act
def rotate(request: HttpRequest, public_id: str) -> HttpResponse:
    """Give an endpoint another secret."""
    endpoints.rotate(_endpoint(request, public_id))
    messages.success(request, "There is a new secret. Messages are signed with both for 24 hours.")
    return redirect("webhook", public_id)


@owners_act
def rotate_signer(request: HttpRequest) -> HttpResponse:
    """Give the account another secret for addresses that requests name."""
    endpoints.rotate_signer(_wallet(request))
    messages.success(request, "There is a new secret. Messages are signed with both for 24 hours.")
    return redirect("webhooks")


@owners_act
def pause(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send nothing to an endpoint for a while."""
    endpoints.pause(_endpoint(request, public_id))
    messages.success(request, "The endpoint is paused. What happens now is sent when you resume it.")
    return redirect("webhook", public_id)


@owners_act
def resume(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send to an endpoint again."""
    endpoints.resume(_endpoint(request, public_id))
    messages.success(request, "The endpoint is active. What was held is on its way.")
    return redirect("webhook", public_id)


@owners_act
def send_test(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send an endpoint a message about an image that does not exist."""
    endpoint = _endpoint(request, public_id)
    if not endpoint.is_active:
        messages.error(request, "Nothing is sent to this endpoint just now. Resume it first.")
        return redirect("webhook", public_id)
    try:
        limits.take_tests(endpoint.wallet)
    except RateLimited as error:
        words = f"You can send {counted(error.rate.limit, 'test')} a minute."
        messages.error(request, f"{words} Try again in {counted(error.rate.reset, 'second')}.")
    else:
        endpoints.send_test(endpoint)
        messages.success(request, "A test is on its way. What came of it is at the top of the list below.")
    return redirect("webhook", public_id)


@owners_act
def resend(request: HttpRequest, message_id: str) -> HttpResponse:
    """Send one message again."""
    found = WebhookDelivery.objects.filter(wallet=_wallet(request), public_id=message_id).first()
    if not MESSAGE_ID.fullmatch(message_id) or found is None:
        raise Http404
    if deliveries.resend(found):
        messages.success(request, "The message is sent again.")
    else:
        messages.error(request, "The message is on its way already, or its endpoint is switched off or deleted.")
    return redirect(page_before(request, "/dashboard/webhooks/"))


@owners_act
def resend_failed(request: HttpRequest, public_id: str = "") -> HttpResponse:
    """Send all messages again that failed."""
    endpoint = _endpoint(request, public_id) if public_id else None
    sent = deliveries.resend_failed(_wallet(request), endpoint)
    if sent:
        messages.success(request, f"{counted(sent, 'message')} {'is' if sent == 1 else 'are'} sent again.")
    else:
        messages.info(request, "There is nothing to send again: endpoints that are switched off are told nothing.")
    return redirect(page_before(request, "/dashboard/webhooks/"))


def _log(request: HttpRequest, wallet: Wallet, endpoint: WebhookEndpoint | None = None) -> Log:
    rows = WebhookDelivery.objects.filter(wallet=wallet)
    if endpoint is not None:
        rows = rows.filter(endpoint=endpoint)
    failed = rows.filter(state=State.FAILED)[:1000].count()
    state = request.GET.get("state", "")
    if state in FILTERS:
        rows = rows.filter(state__in=FILTERS[state][1])
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 18:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.select_related("endpoint", "generation").order_by("-pk")[: SHOWN + 1])
    older = found[SHOWN - 1].pk if len(found) > SHOWN else None
    return Log(found[:SHOWN], state if state in FILTERS else "", older, not before, failed)


def _secret(of: Any) -> dict[str, Any]:
    return {"secret": signing.shown(of.secret), "old_until": signing.good_until(of)}


def _endpoint(request: HttpRequest, public_id: str) -> WebhookEndpoint:
    try:
        return endpoints.find(_wallet(request), public_id)
    except EndpointNotFound:
        raise Http404 from None


def _wallet(request: HttpRequest) -> Wallet:
    assert request.user.pk is not None
    return ledger.wallet_of(request.user.pk)
