"""The hosted checkout page."""

from __future__ import annotations

from sandbox.stripe.engine import checkout, discounts
from sandbox.stripe.methods import named
from sandbox.stripe.pages.html import Fields, Page, Trouble
from sandbox.stripe.state.store import Obj


class CheckoutPage(Page):
    """Shows a session's order and takes a test payment; the payer comes back to the shop's pages afterwards."""

    kind, what = "checkout.session", "checkout session"
    path, template, forms_go = "/stripe/checkout/{id}", "checkout.html", ""
    refused = 409

    def context(self, obj: Obj, fields: Fields) -> Obj:
        known = _email(obj)
        email = str(fields.get("email") or known).strip()
        return {"email": email, "fixed_email": bool(known), "back": checkout.return_address(obj)}

    def act(self, obj: Obj, fields: Fields, action: str) -> str:
        if "apply" in fields and obj["allow_promotion_codes"]:
            with self.world.transaction():
                discounts.apply(self.world, obj, str(fields.get("code", "")))
            return self.path.format(id=obj["id"])
        method = named(str(fields.get("method") or fields.get("card") or ""))
        email = str(fields.get("email") or _email(obj)).strip()
        if method is None:
            raise Trouble("That is not a test card. Choose one of the list; never enter a real card number here.")
        if "@" not in email:
            raise Trouble("Enter an email address.")
        with self.world.transaction():
            refusal = checkout.pay(self.world, obj, method, email=email)
        if refusal:  # a refused attempt leaves its traces, so it is told after the commit
            raise Trouble(refusal.message, status=402)
        return checkout.return_address(obj)


def _email(session: Obj) -> str:
    return str((session["customer_details"] or {}).get("email") or session["customer_email"] or "")
