"""ASGI entry point."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.bodies import bound

application = bound(get_asgi_application())  # type: ignore[arg-type]
