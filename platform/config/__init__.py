"""The composition root: settings, URLs, ASGI and Celery.

Nothing imports from here except entry points.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
