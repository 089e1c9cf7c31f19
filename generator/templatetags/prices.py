"""What images cost, in templates of pages and of mails."""

from django import template

from billing.catalogue import money
from billing.models import Pack, Plan
from generator.ask import prices

register = template.Library()


@register.simple_tag
def image_costs() -> str:
    """`An image costs {% image_costs %}.` → An image costs from 1 credit."""
    return prices.an_image_costs()


@register.simple_tag
def credit_is_image() -> bool:
    """`{% credit_is_image as one %}`: whether each image on offer costs 1 credit."""
    return prices.is_one()


@register.simple_tag
def images_for(credits: int) -> int:
    """`{% images_for balance as images %}`: how many images credits are enough for, of those that are made unasked."""
    return max(0, credits) // prices.unasked()


@register.simple_tag
def image_at(product: Plan | Pack) -> str:
    """`{% image_at offer.product %}` → $0.10, or from $0.20: what the cheapest image costs of what a product brings."""
    share = money.each(product.price * prices.lowest(), product.currency, product.credits or 1)
    return share if prices.is_the_same() else f"from {share}"


@register.simple_tag
def doable() -> frozenset[str]:
    """`{% doable as modes %}`: create, edit and remix, as far as a model on offer does it."""
    return prices.doable()
