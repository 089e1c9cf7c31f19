"""The people in the admin. They are here because their page shows what all apps know of them."""

from typing import Any, ClassVar

from allauth.account import views as account_views
from allauth.account.decorators import secure_admin_login
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.generic import RedirectView
from unfold.decorators import action, display

from accounts.many_rows import ManyRows, counted
from accounts.models import User
from accounts.read_only import ReadOnlyAdmin, line
from accounts.viewer import user_of
from billing import ledger
from billing.admin import bulk
from billing.bulk.kinds import GRANT
from billing.errors import AccountClosed, GrantedEnough
from billing.models import Dispute, Wallet
from billing.pages import statements
from billing.staff import acts, roles
from kit.http.requests import without_nul
from reveweb.admin import alerts as alerts  # registered as it is imported
from reveweb.admin import books, doctor, keys, people, person_actions
from reveweb.admin.forms import GrantForm

AT_ONCE = 200  # people that one answer grants to; a worker does it for more

# One door for everybody: the site's own, with its limits on guessing and its mails.
admin.site.index_title = "Overview"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as allauth documents it
admin.site.logout = account_views.logout  # type: ignore[method-assign]
admin.site.password_change = RedirectView.as_view(pattern_name="account_change_password")  # type: ignore[method-assign,assignment]
admin.site.password_change_done = RedirectView.as_view(pattern_name="account_security")  # type: ignore[method-assign,assignment]
books.add_to(admin.site)


UNDER_DISPUTE = Dispute.objects.filter(closed_at=None).values("payment__wallet__user")


class State(admin.SimpleListFilter):
    """People that somebody should look at, and staff."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, tuple[str, Q]]] = {
        "disputed": ("Under dispute", Q(pk__in=UNDER_DISPUTE)),
        "suspended": ("Suspended", Q(is_active=False, deleted_at=None)),
        "deleted": ("Deleted", Q(deleted_at__isnull=False)),
        "staff": ("Staff", Q(is_staff=True)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User] | None:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else None


@admin.register(User)
class PersonAdmin(ReadOnlyAdmin):
    """Everybody; one's page is composed by `people.look`, and changed by `acts` alone."""

    list_display = ["address", "name", "states", "plan", "balance", "date_joined"]
    many_rows = ManyRows("date_joined", indexed=("state",), sorted_by=("address",))
    list_filter = [State, "wallet__plan", "date_joined"]
    list_select_related = ["wallet__plan"]
    search_fields = ["email", "name"]
    search_help_text = "Email or name, or an id: API key prefix, image, request, ledger reference, any Stripe id."
    ordering = ["-date_joined", "-id"]
    actions = ["grant_to_selected", "suspend_selected"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        open_disputes = Dispute.objects.filter(payment__wallet__user=OuterRef("pk"), closed_at=None)
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(disputed=Exists(open_disputes))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        ids = people.find(search_term)
        if ids is not None:
            return queryset.filter(pk__in=ids), False
        return people.named(queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List people; a search that has one hit, by an id or by part of an email or a name, leads straight to it."""
        if request.method == "GET" and set(request.GET) == {"q"} and self.has_view_permission(request):
            typed = without_nul(request.GET["q"]).strip()
            found, _ = self.get_search_results(request, self.get_queryset(request), typed)
            # Counted as the list does: to look for two alone, PostgreSQL would read people one by one.
            if typed and counted(found) == 1:
                return redirect("admin:accounts_user_change", found.get().pk)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show everything about one person."""
        viewer = request.user
        if request.method not in ("GET", "HEAD") or not isinstance(viewer, User):
            raise PermissionDenied
        if not self.has_view_permission(request):
            raise PermissionDenied
        user = self.get_object(request, object_id)
        if not isinstance(user, User):
            raise Http404
        out_of_reach = roles.out_of_reach(viewer, user)
        permitted = {permission: acts.may(viewer, permission) for permission in PERMISSIONS}
        context = {
            **self._context(request),
            "title": user.email,
            "person": people.look(user, viewer),
            "may": {} if out_of_reach else permitted,
            "out_of_reach": out_of_reach if any(permitted.values()) else "",
        }
        return TemplateResponse(request, "admin/person/page.html", context)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:user_id>/{below}", self.admin_site.admin_view(self._act), {"act_class": act}, name=name)
            for name, (below, act) in person_actions.ACTS.items()
        ]
        news = path("<int:user_id>/refunds/", self.admin_site.admin_view(self._refunds), name="person_refunds")
        looked_at = path(
            "doctor/", self.admin_site.admin_view(lambda request: doctor.page(self, request)), name="doctor"
        )
        paper = self.admin_site.admin_view(self._statement)
        month = path("<int:user_id>/statements/<int:year>-<int:month>.pdf", paper, name="statement_pdf")
        urls: list[URLPattern] = super().get_urls()
        return [*own, news, looked_at, month, *urls]

    def _statement(self, request: HttpRequest, user_id: int, year: int, month: int) -> HttpResponse:
        """Send a month of a person's account as PDF."""
        if not (self.has_view_permission(request) and request.user.has_perm("billing.view_creditentry")):
            raise PermissionDenied
        return statements.answer(get_object_or_404(Wallet, user=user_id), year, month)

    def _refunds(self, request: HttpRequest, user_id: int) -> JsonResponse:
        """Say how the refunds of a person's payments stand, for the page that waits for them."""
        if not (self.has_view_permission(request) and request.user.has_perm("billing.view_payment")):
            raise PermissionDenied
        return JsonResponse({"state": people.refunds_state(get_object_or_404(Wallet, user=user_id))})

    def _act(
        self, request: HttpRequest, act_class: type[person_actions.Act], user_id: int, **names: Any
    ) -> HttpResponse:
        return person_actions.answer(request, self._context(request), act_class, user_id, **names)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}

    def has_grant_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and acts.grant_limit(request.user) > 0

    @action(description="Grant credits …", permissions=["grant"])
    def grant_to_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Show who would get credits, and grant them when that is confirmed."""
        actor = request.user
        assert isinstance(actor, User)
        queryset = queryset.filter(deleted_at=None)
        if bulk.is_for_worker(request, queryset, AT_ONCE):
            return bulk.begin(request, self, GRANT, queryset.order_by("email"))
        users = list(queryset.order_by("email"))
        for user in users:
            if words := roles.out_of_reach(actor, user):
                messages.error(request, f"Choose without {user.email}. {words}")
                return None
        form = GrantForm(request.POST if "confirmed" in request.POST else None, actor=actor, people=len(users))
        if not form.limit:
            messages.error(request, form.no_more)
            return None
        if form.is_valid():
            try:
                return self._grant_to(request, form, actor, users)
            except (AccountClosed, GrantedEnough) as error:  # by another act of theirs, since the form was looked at
                form.add_error(None, str(error))
        context = {
            **self._context(request),
            "form": form,
            "users": users,
            "title": "Grant credits to several people",
            "back": reverse("admin:accounts_user_changelist"),
        }
        return TemplateResponse(request, "admin/person/grant_many.html", context)

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        return acts.may(user_of(request), "suspend_user")

    @action(description="Suspend …", permissions=["suspend"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Take down who was found, to be suspended once that is confirmed."""
        return bulk.begin(request, self, "suspend", queryset.filter(deleted_at=None).order_by("email"))

    def _grant_to(self, request: HttpRequest, form: GrantForm, actor: User, users: list[User]) -> HttpResponse:
        granted = acts.grant_many(
            actor=actor,
            accounts=[ledger.wallet_of(user.pk) for user in users],
            credits=form.cleaned_data["credits"],
            reason=form.cleaned_data["reason"],
            reference=f"staff:{form.cleaned_data['nonce']}",
            expires_at=form.expires_at,
        )
        messages.success(request, f"Granted {form.cleaned_data['credits']:,} credits to each of {granted} people.")
        return redirect("admin:accounts_user_changelist")

    @display(description="Email", ordering="email")
    def address(self, user: User) -> SafeString:
        return line(user.email)

    @display(description="State")
    def states(self, user: User) -> SafeString:
        states = [
            ("danger", "Disputed", user.disputed),  # type: ignore[attr-defined]  # the list adds it to its rows
            ("warning", "Suspended", not user.is_active and not user.deleted_at),
            ("info", "Deleted", bool(user.deleted_at)),
            ("info", "Superuser", user.is_staff and user.is_superuser),
            ("info", "Staff", user.is_staff and not user.is_superuser),
        ]
        badges = ((colour, name) for colour, name, holds in states if holds)
        return format_html_join(" ", '<span class="rw-badge rw-{}">{}</span>', badges)

    @display(description="Plan", ordering="wallet__plan__order")
    def plan(self, user: User) -> str:
        wallet = getattr(user, "wallet", None)
        return wallet.plan.name if wallet and wallet.plan else "–"

    @display(description="Credits", ordering="wallet__balance")
    def balance(self, user: User) -> str:
        wallet = getattr(user, "wallet", None)
        return f"{wallet.balance:,}" if wallet else "–"


__all__ = ["PersonAdmin", "keys"]

PERMISSIONS = (
    "grant_few",
    "grant_any",
    "take_credits",
    "refund_payment",
    "return_credit",
    "change_limits",
    "suspend_user",
    "revoke_key",
    "assign_role",
)
