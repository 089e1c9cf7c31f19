"""The front door: settings, URLs, Celery, the API's assembly, and the pages that compose several apps."""

from reveweb.celery import app as celery_app

__all__ = ["celery_app"]
