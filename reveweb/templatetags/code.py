"""The first call to the API, wherever a page shows it."""

from typing import Any

from django import template
from django.template.context import Context

from generator import snippets
from kit.http.requests import site_of
from reveweb.docs.code import chosen_language, first_call

register = template.Library()


@register.inclusion_tag("components/code_tabs.html", name="first_call", takes_context=True)
def show_first_call(context: Context, *, keeps_height: bool = False) -> dict[str, Any]:
    """Show the call in each language; with `keeps_height` all take the room of the longest, so that nothing moves."""
    request = context["request"]
    return {
        "codes": first_call(site_of(request)),
        "name": "first-call",
        "label": "The call",
        "chosen": chosen_language(request.COOKIES),
        "keeps_height": keeps_height,
    }


@register.simple_tag(takes_context=True)
def first_call_with(context: Context, secret: str) -> str:
    """Show the call for a shell, after the line that sets the key which it reads."""
    call, *_ = first_call(site_of(context["request"]))
    return f"{snippets.export(secret)}\n\n{call.text}"
