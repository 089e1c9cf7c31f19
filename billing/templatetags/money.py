"""Money, and what Stripe says of it, in templates."""

from django import template

from billing.catalogue import money

register = template.Library()


@register.filter(name="money")
def full(amount: int, currency: str) -> str:
    """`{{ payment.amount|money:payment.currency }}` → $9.00 USD"""
    return money.full(amount, currency)


@register.filter
def in_words(status: str) -> str:
    """`{{ dispute.status|in_words }}` → Warning needs response"""
    return status.replace("_", " ").capitalize()
