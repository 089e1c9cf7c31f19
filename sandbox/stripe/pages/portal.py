"""The hosted billing portal: plan, card, cancel and resume, another price, invoices."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from sandbox.stripe.engine import changes, subscriptions, wallet
from sandbox.stripe.engine.changes import Change, Due
from sandbox.stripe.methods import Outcome, named
from sandbox.stripe.pages.html import Fields, Page, Trouble
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest


class PortalPage(Page):
    """One customer's portal, behind a session's unguessable address."""

    kind, what = "billing_portal.session", "portal session"
    path, template, forms_go = "/stripe/portal/{id}", "portal.html", "/{action}"

    def context(self, obj: Obj, fields: Fields) -> Obj:
        world, customer = self.world, obj["customer"]
        plans = [
            each for each in world.all("subscription", customer=customer) if each["status"] not in subscriptions.ENDED
        ]
        features = self._features(obj)
        return {
            "features": features,
            "customer": world.get("customer", customer),
            "plans": [(each, *self._plan(each, features)) for each in plans],
            "invoices": world.all("invoice", customer=customer),
            "flow": (obj["flow"] or {}).get("type", ""),
            "legal": self._legal(obj),
        }

    def act(self, obj: Obj, fields: Fields, action: str) -> str:
        do: Callable[[Obj, Obj, Fields], str] | None = getattr(self, f"do_{action}", None)
        if do is None:
            raise Trouble("There is no such button.", status=404)
        with self.world.transaction():
            said = do(obj, self._features(obj), fields)
        after = (obj["flow"] or {}).get("after_completion") or {}
        if after.get("type") == "redirect":
            return str(after["redirect"]["return_url"])
        return f"{self.path.format(id=obj['id'])}?{urlencode({'said': said})}"

    # What the buttons do; each returns what to tell the person, or raises

    def do_cancel(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        settings = _enabled(features, "subscription_cancel")
        if settings["mode"] == "immediately":
            subscriptions.end(self.world, subscription)
            return "Your plan has ended."
        end = subscription["items"]["data"][0]["current_period_end"]
        with self.world.changing(subscription, "customer.subscription.updated"):
            # Flexible billing: the portal sets `cancel_at`, and `cancel_at_period_end` stays false.
            subscriptions.schedule_end(self.world, subscription, end, at_period_end=False)
        return "Your plan will end with the current period."

    def do_resume(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        _enabled(features, "subscription_cancel")
        with self.world.changing(subscription, "customer.subscription.updated"):
            subscriptions.schedule_end(self.world, subscription, None, at_period_end=False)
        return "Your plan goes on."

    def do_card(self, session: Obj, features: Obj, fields: Fields) -> str:
        _enabled(features, "payment_method_update")
        method = named(str(fields.get("card", "")))
        if method is None or method.bank:
            raise InvalidRequest("That is not a test card. Never enter a real card number here.")
        if method.now is Outcome.DECLINED:
            raise InvalidRequest(method.refusal.message)
        wallet.replace_method(self.world, self.world.get("customer", session["customer"]), method)
        return "Your card was changed."

    def do_switch(self, session: Obj, features: Obj, fields: Fields) -> str:
        subscription = self._subscription(session, fields)
        settings = _enabled(features, "subscription_update")
        price = self.world.get("price", str(fields.get("price", "")))
        if price["id"] not in {each["id"] for each in self._prices(features, subscription)}:
            raise InvalidRequest("This plan is not offered.")
        item = subscription["items"]["data"][0]
        with self.world.changing(subscription, "customer.subscription.updated"):
            change, proration = Change(item, price, item["quantity"]), settings["proration_behavior"]
            due = changes.apply(self.world, subscription, [change], proration=proration, moment=None)
        if due is not Due.NOTHING:
            changes.bill(self.world, subscription, due)
        return "Your plan was changed."

    def do_pay(self, session: Obj, features: Obj, fields: Fields) -> str:
        invoice = self.world.get("invoice", str(fields.get("invoice", "")))
        if invoice["customer"] != session["customer"] or invoice["status"] != "open":
            raise InvalidRequest("There is nothing to pay.")
        outcome = subscriptions.pay(self.world, invoice, None)
        return "Thank you, it is paid." if outcome is Outcome.SUCCEEDS else "Your card was declined."

    # What the page shows

    def _plan(self, subscription: Obj, features: Obj) -> tuple[Obj, str, list[Obj]]:
        """Return the plan's price, the last digits of what pays for it, and the prices to change to."""
        price = self.world.get("price", subscription["items"]["data"][0]["price"])
        method = subscriptions.default_method(self.world, subscription)
        others = [each for each in self._prices(features, subscription) if each["id"] != price["id"]]
        return price, method[method["type"]]["last4"] if method else "", others

    def _prices(self, features: Obj, subscription: Obj) -> list[Obj]:
        """Return the prices that the configuration offers to this subscription."""
        settings = features["subscription_update"]
        if not settings["enabled"] or "price" not in settings["default_allowed_updates"]:
            return []
        offered = [self.world.get("price", each) for product in settings["products"] for each in product["prices"]]
        return [each for each in offered if each["active"] and each["currency"] == subscription["currency"]]

    def _features(self, session: Obj) -> Obj:
        features: Obj = self.world.get("billing_portal.configuration", session["configuration"])["features"]
        return features

    def _legal(self, session: Obj) -> list[tuple[str, str]]:
        profile = self.world.get("billing_portal.configuration", session["configuration"])["business_profile"]
        links = (("Terms", profile["terms_of_service_url"]), ("Privacy", profile["privacy_policy_url"]))
        return [(words, url) for words, url in links if url]

    def _subscription(self, session: Obj, fields: Fields) -> Obj:
        subscription = self.world.get("subscription", str(fields.get("subscription", "")))
        if subscription["customer"] != session["customer"] or subscription["status"] in subscriptions.ENDED:
            raise InvalidRequest("This plan has ended.")
        return subscription


def _enabled(features: Obj, name: str) -> Obj:
    settings: Obj = features[name]
    if not settings["enabled"]:
        raise InvalidRequest("This isn't offered here.")
    return settings
