"""The hosted billing portal: plan, card, cancel and resume, another price, invoices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.desk.routes import refuse_other_sites
from sandbox.stripe.engine import changes, subscriptions, wallet
from sandbox.stripe.engine.changes import Change, Due
from sandbox.stripe.engine.subscriptions import in_words as price_in_words
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import CARDS, Outcome, named
from sandbox.stripe.pages.html import missing, page
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire import forms
from sandbox.stripe.wire.errors import InvalidRequest, StripeError

Fields = dict[str, Any]


class PortalPage:
    """One customer's portal, behind a session's unguessable address."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._actions: dict[str, Callable[[Obj, Obj, Fields], str]] = {
            "cancel": self._cancel,
            "resume": self._resume,
            "card": self._card,
            "switch": self._switch,
            "pay": self._pay,
        }

    def routes(self) -> list[BaseRoute]:
        """Return the page's routes."""
        return [
            Route("/stripe/portal/{id}", self._show, methods=["GET"], name="portal"),
            Route("/stripe/portal/{id}/{action}", self._act, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        session = self._world.store.find(request.path_params["id"], "billing_portal.session")
        if session is None:
            return missing("portal session")
        return self._page(session, said=request.query_params.get("said", ""))

    async def _act(self, request: Request) -> Response:
        session = self._world.store.find(request.path_params["id"], "billing_portal.session")
        action = self._actions.get(request.path_params["action"])
        if session is None or action is None:
            return missing("portal session")
        fields = forms.parse((await request.body()).decode("utf-8", "replace"))
        try:
            refuse_other_sites(request)
            with self._world.transaction():
                said = action(session, self._features(session), fields)
        except StripeError as error:
            return self._page(session, trouble=error.message, status=422)
        return RedirectResponse(self._next(request, session, said), 303, {"X-Simulated": "true"})

    def _next(self, request: Request, session: Obj, said: str) -> str:
        after = (session["flow"] or {}).get("after_completion") or {}
        if after.get("type") == "redirect":
            return str(after["redirect"]["return_url"])
        return str(request.url_for("portal", id=session["id"]).include_query_params(said=said))

    # Actions; each returns what to tell the person, or raises

    def _cancel(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        settings = _enabled(features, "subscription_cancel")
        if settings["mode"] == "immediately":
            subscriptions.end(self._world, subscription, reason="cancellation_requested")
            return "Your plan has ended."
        end = subscription["items"]["data"][0]["current_period_end"]
        with self._world.changing(subscription, "customer.subscription.updated"):
            # Flexible billing: the portal sets `cancel_at`, and `cancel_at_period_end` stays false.
            subscriptions.schedule_end(self._world, subscription, end, at_period_end=False)
        return "Your plan will end with the current period."

    def _resume(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        _enabled(features, "subscription_cancel")
        with self._world.changing(subscription, "customer.subscription.updated"):
            subscriptions.schedule_end(self._world, subscription, None, at_period_end=False)
        return "Your plan goes on."

    def _card(self, session: Obj, features: Obj, fields: Fields) -> str:
        _enabled(features, "payment_method_update")
        method = named(str(fields.get("card", "")))
        if method is None or method.bank:
            raise InvalidRequest("That is not a test card. Never enter a real card number here.")
        if method.now is Outcome.DECLINED:
            raise InvalidRequest(method.refusal.message)
        wallet.replace_method(self._world, self._world.get("customer", session["customer"]), method)
        return "Your card was changed."

    def _switch(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        settings = _enabled(features, "subscription_update")
        price = self._world.get("price", str(fields.get("price", "")))
        if price["id"] not in {each["id"] for each in self._prices(features, subscription)}:
            raise InvalidRequest("This plan is not offered.")
        item = subscription["items"]["data"][0]
        with self._world.changing(subscription, "customer.subscription.updated"):
            due = changes.apply(
                self._world,
                subscription,
                [Change(item, price, item["quantity"])],
                proration=settings["proration_behavior"],
                moment=None,
            )
        if due is not Due.NOTHING:
            changes.bill(self._world, subscription, due)
        return "Your plan was changed."

    def _pay(self, session: Obj, features: Obj, fields: Fields) -> str:
        invoice = self._world.get("invoice", str(fields.get("invoice", "")))
        if invoice["customer"] != session["customer"] or invoice["status"] != "open":
            raise InvalidRequest("There is nothing to pay.")
        outcome = subscriptions.pay(self._world, invoice, None)
        return "Thank you, it is paid." if outcome is Outcome.SUCCEEDS else "Your card was declined."

    # What the page shows

    def _page(self, session: Obj, *, said: str = "", trouble: str = "", status: int = 200) -> Response:
        world, features = self._world, self._features(session)
        plans = [
            self._plan(each, features)
            for each in world.all("subscription", customer=session["customer"])
            if each["status"] not in subscriptions.ENDED
        ]
        return page(
            "portal.html",
            status=status,
            session=session,
            features=features,
            customer=world.get("customer", session["customer"]),
            plans=plans,
            invoices=world.all("invoice", customer=session["customer"]),
            cards=CARDS,
            said=said,
            trouble=trouble,
            flow=(session["flow"] or {}).get("type", ""),
        )

    def _plan(self, subscription: Obj, features: Obj) -> Obj:
        world, item = self._world, subscription["items"]["data"][0]
        price = world.get("price", item["price"])
        method = subscriptions.default_method(world, subscription)
        return {
            "id": subscription["id"],
            "status": subscription["status"],
            "name": world.get("product", price["product"])["name"],
            "price": price_in_words(price),
            "period_end": item["current_period_end"],
            "cancel_at": subscription["cancel_at"],
            "card": method[method["type"]]["last4"] if method else "",
            "others": [
                {
                    "id": each["id"],
                    "name": world.get("product", each["product"])["name"],
                    "price": price_in_words(each),
                }
                for each in self._prices(features, subscription)
                if each["id"] != price["id"]
            ],
        }

    def _prices(self, features: Obj, subscription: Obj) -> list[Obj]:
        """Return the prices that the configuration offers to this subscription."""
        settings = features["subscription_update"]
        if not settings["enabled"] or "price" not in settings["default_allowed_updates"]:
            return []
        offered = [self._world.get("price", each) for product in settings["products"] for each in product["prices"]]
        return [each for each in offered if each["active"] and each["currency"] == subscription["currency"]]

    def _features(self, session: Obj) -> Obj:
        features: Obj = self._world.get("billing_portal.configuration", session["configuration"])["features"]
        return features

    def _subscription(self, session: Obj, fields: Fields) -> Obj:
        subscription = self._world.get("subscription", str(fields.get("subscription", "")))
        if subscription["customer"] != session["customer"] or subscription["status"] in subscriptions.ENDED:
            raise InvalidRequest("This plan has ended.")
        return subscription


def _enabled(features: Obj, name: str) -> Obj:
    settings: Obj = features[name]
    if not settings["enabled"]:
        raise InvalidRequest("This isn't offered here.")
    return settings
