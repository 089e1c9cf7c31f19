"""What a page hands to its script about passkeys."""

import json
from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """Return `value` as JSON, to be escaped for an attribute: a page has no inline script to put it in."""
    return json.dumps(value, cls=DjangoJSONEncoder)
