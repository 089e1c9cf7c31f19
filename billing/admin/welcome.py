"""Welcome credits that were held back: why, how many, and a way to give them after all."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.many_rows import ManyRows
from accounts.read_only import ReadOnlyAdmin
from accounts.viewer import user_of
from billing.admin import bulk
from billing.admin.columns import person
from billing.errors import AccountClosed, GrantedEnough
from billing.models import HeldWelcome
from billing.staff import acts, roles, welcoming
from billing.welcome import figures

AT_ONCE = 20  # more are for a worker
SPANS = (timedelta(days=1), timedelta(days=30))


class State(admin.SimpleListFilter):
    """Whether they are still held back."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("held", "Held back"), ("given", "Given since")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[HeldWelcome]) -> QuerySet[HeldWelcome] | None:
        match self.value():
            case "held":
                return queryset.filter(given_at=None)
            case "given":
                return queryset.filter(given_at__isnull=False)
        return None


@admin.register(HeldWelcome)
class HeldWelcomeAdmin(ReadOnlyAdmin):
    empty_title = "Nothing is held back"
    empty_words = "Everybody who signed up got their welcome credits."
    many_rows = ManyRows("held_at")
    list_display = ["held_at", "whose", "why", "credits", "network", "state"]
    list_filter = [State, "reason", "held_at"]
    list_select_related = ["wallet__user"]
    list_before_template = "admin/billing/held_welcomes.html"
    search_fields = ["=wallet__user__email"]
    search_help_text = "Somebody's whole email address."
    actions = ["give_after_all"]
    fields = ["whose", "reason", "credits", "network", "state", "held_at", "given_at"]
    readonly_fields = ["whose", "network", "state"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the figures above the list."""
        context = {**(extra_context or {}), "title": "Welcome credits held back", "welcomes": _figures()}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @display(description="Person")
    def whose(self, held: HeldWelcome) -> SafeString | str:
        return person(held.wallet)

    @display(description="Why", ordering="reason")
    def why(self, held: HeldWelcome) -> str:
        return held.get_reason_display()

    @display(description="Signed up from")
    def network(self, held: HeldWelcome) -> str:
        return held.wallet.user.signup_network or "–"

    @display(description="State", label={"Held back": "warning", "Given since": "success"})
    def state(self, held: HeldWelcome) -> str:
        return "Given since" if held.given_at else "Held back"

    def has_give_after_all_permission(self, request: HttpRequest) -> bool:
        return acts.grant_limit(user_of(request)) > 0

    @action(description="Give the credits after all", permissions=["give_after_all"])
    def give_after_all(self, request: HttpRequest, queryset: QuerySet[HeldWelcome]) -> HttpResponse | None:
        """Grant what was held back of the chosen people, as far as the viewer may grant."""
        waiting = queryset.filter(given_at=None).select_related("wallet__user")
        if bulk.is_for_worker(request, waiting, AT_ONCE):
            return bulk.begin(request, self, "give_welcome", waiting)
        actor, given = user_of(request), 0
        for held in waiting:
            if words := _obstacle(actor, held):
                messages.warning(request, f"Not given to {held.wallet.user}. {words}")
                continue
            try:
                given += welcoming.give(actor=actor, held=held)
            except AccountClosed as error:
                messages.warning(request, f"Not given to {held.wallet.user}. {error}")
            except GrantedEnough as error:
                messages.warning(request, f"Not given to {held.wallet.user}. {error}")
                break
        if given:
            messages.success(request, f"{given} {'person has' if given == 1 else 'people have'} their credits now.")
        else:
            messages.info(request, "Nobody of those got credits.")
        return None


def _obstacle(actor: acts.Actor, held: HeldWelcome) -> str:
    limit = acts.grant_limit(actor)
    if held.credits > limit:
        return f"You may grant up to {limit:,} credits at a time."
    return roles.out_of_reach(actor, held.wallet.user)


def _figures() -> list[tuple[figures.Welcomes, ...]]:
    """Return a line for what was given and one for each reason, each with a cell for every one of `SPANS`."""
    now = timezone.now()
    columns = [
        [figures.given(now - span), figures.given_after_all(now - span), *figures.held_back(now - span)]
        for span in SPANS
    ]
    return list(zip(*columns, strict=True))
