"""Images and what draws them: the pages of staff."""

from generator.admin import images, models, pauses, prices, reports, routes, rules, troubles, upstreams, webhooks

__all__ = ["images", "models", "pauses", "prices", "reports", "routes", "rules", "troubles", "upstreams", "webhooks"]
