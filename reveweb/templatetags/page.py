"""What a page says about itself, said again where other sites read it."""

import re

from django import template
from django.template.context import Context
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
_QUOTED = re.compile(r"`([^`]+)`")


@register.filter
def commands(words: str) -> SafeString:
    """`{{ cure|commands }}` shows what stands between backticks as something to type."""
    return mark_safe(_QUOTED.sub(r'<code class="rw-code">\1</code>', escape(words)))  # noqa: S308 (escaped before)


@register.simple_block_tag(takes_context=True)
def said_once(context: Context, content: SafeString, name: str) -> SafeString:
    """Show the block's text and keep it under `name`, fit for an attribute, for the rest of the page."""
    # What the templates inside print is escaped already; only a quotation mark of their own would end the attribute.
    context[name] = mark_safe(str(content).strip().replace('"', "&quot;"))  # noqa: S308
    return content
