"""What a page says about itself, said again where other sites read it."""

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_block_tag(takes_context=True)
def said_once(context: Context, content: SafeString, name: str) -> SafeString:
    """Show the block's text and keep it under `name`, fit for an attribute, for the rest of the page."""
    # What the templates inside print is escaped already; only a quotation mark of their own would end the attribute.
    context[name] = mark_safe(str(content).strip().replace('"', "&quot;"))  # noqa: S308
    return content
