"""What the admin's headings and empty lists are called: as its navigation calls them, not as the database does."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.db.models import Model
from django.utils.text import capfirst

from reveweb import places

register = template.Library()


@register.filter
def as_navigation(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the way to a page: for an app and a model of its own, the navigation's group and its title."""
    lists = places.by_address()
    named: list[dict[str, Any]] = []
    for part in parts:
        title, link = part["title"], str(part.get("link", ""))
        if link in lists:
            group, title = lists[link]
            named = [{"title": group}] if group != title else []
            named.append({"title": title, "link": link})
        elif isinstance(title, Model):  # what it is called, which may be an id
            named.append({"title": str(title), "link": link})
        else:
            named.append({"title": capfirst(title), "link": link})
    return named


@register.filter
def in_navigation(opts: Any) -> str:
    """`{{ opts|in_navigation }}` → the title of a model's list."""
    place = places.by_address().get(places.address(f"{opts.app_label}_{opts.model_name}"))
    return place[1] if place else str(capfirst(opts.verbose_name_plural))
