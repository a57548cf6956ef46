"""ASGI entry point."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.bodies import bound

# WhiteNoise streams static files from a thread, which is what it should do; Django cannot know.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

application = bound(get_asgi_application())  # type: ignore[arg-type]
