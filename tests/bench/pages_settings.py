"""The site's settings with one address more: a bare view to hold the pages against."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.pages_urls"
