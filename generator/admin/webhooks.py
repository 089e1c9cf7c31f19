"""Where accounts are told of their images, and what became of each message, to read. No page here shows a secret."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.many_rows import ManyRows
from accounts.read_only import ReadOnlyAdmin, change_url, line, link, person, reference
from accounts.viewer import user_of
from billing.admin import bulk
from generator import many
from generator.models import WebhookDelivery, WebhookEndpoint
from generator.webhooks import staff
from kit.http.callbacks import host_of

ENDPOINT_STATES = {
    WebhookEndpoint.State.ACTIVE: "success",
    WebhookEndpoint.State.PAUSED: "warning",
    WebhookEndpoint.State.OFF: "danger",
    WebhookEndpoint.State.DELETED: "info",
}
DELIVERY_STATES = {
    WebhookDelivery.State.DELIVERED: "success",
    WebhookDelivery.State.FAILED: "danger",
    WebhookDelivery.State.PENDING: "info",
    WebhookDelivery.State.HELD: "warning",
}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    empty_words = "Where people have their webhooks sent is listed here as soon as they add an address."
    list_display = ["id_shown", "whose", "host", "standing", "failing_since", "last_success_at", "created_at"]
    list_display_links = ["id_shown"]
    list_filter = ["state", "created_at"]
    list_select_related = ["wallet__user"]
    linked_lookups = frozenset({"wallet__id__exact"})
    search_fields = ["=public_id", "=wallet__user__email"]
    search_help_text = "An endpoint's id (we_…), or a whole email address."
    ordering = ["-id"]
    fields = [
        "public_id",
        "whose",
        "host",
        "events",
        ("state", "off_because"),
        ("failing_since", "last_success_at"),
        "created_at",
    ]
    readonly_fields = ["whose", "host"]

    def other_key(self, object_id: str) -> str:
        return "public_id" if object_id.startswith("we_") else ""

    @display(description="Id", ordering="public_id")
    def id_shown(self, endpoint: WebhookEndpoint) -> SafeString:
        return reference(endpoint.public_id)

    @display(description="Person")
    def whose(self, endpoint: WebhookEndpoint) -> SafeString:
        return person(endpoint.wallet.user)

    @display(description="Host")
    def host(self, endpoint: WebhookEndpoint) -> SafeString:
        """The host alone: what follows may be a secret of its owner's."""
        return line(host_of(endpoint.url))

    @display(description="State", label=ENDPOINT_STATES)
    def standing(self, endpoint: WebhookEndpoint) -> tuple[str, str]:
        return endpoint.state, endpoint.get_state_display()


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    many_rows = ManyRows("created_at", sorted_by=("id_shown",))
    actions = ["resend_selected"]
    list_display = ["id_shown", "whose", "host", "event", "standing", "status", "attempts", "created_at"]
    list_display_links = ["id_shown"]
    list_filter = ["state", "event", "created_at"]
    list_select_related = ["wallet__user"]
    linked_lookups = frozenset({"wallet__id__exact"})
    search_fields = ["=public_id", "=generation__public_id", "=wallet__user__email"]
    search_help_text = "A message's id (msg_…), an image's (img_…), or a whole email address."
    ordering = ["-created_at", "-id"]
    fields = [
        "public_id",
        "whose",
        "host",
        ("event", "image"),
        ("state", "attempts"),
        ("status", "milliseconds"),
        "last_error",
        ("created_at", "tried_at"),
        ("due_at", "ended_at"),
    ]
    readonly_fields = ["whose", "image"]

    def other_key(self, object_id: str) -> str:
        return "public_id" if object_id.startswith("msg_") else ""

    @display(description="Id", ordering="public_id")
    def id_shown(self, delivery: WebhookDelivery) -> SafeString:
        return reference(delivery.public_id)

    @display(description="Person")
    def whose(self, delivery: WebhookDelivery) -> SafeString:
        return person(delivery.wallet.user)

    @display(description="Image")
    def image(self, delivery: WebhookDelivery) -> SafeString | str:
        if delivery.generation is None:
            return "None: a test"
        return link(change_url(delivery.generation), delivery.generation.public_id)

    @display(description="State", label=DELIVERY_STATES)
    def standing(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return staff.may_resend(user_of(request))

    @action(description="Send again …", permissions=["resend"])
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> HttpResponse | None:
        """Take down which messages were found, to be sent again once that is confirmed."""
        return bulk.begin(request, self, many.RESEND, queryset)
