"""Images and what draws them: the pages of staff."""

from generator.admin import images, models, prices, routes, troubles, upstreams

__all__ = ["images", "models", "prices", "routes", "troubles", "upstreams"]
