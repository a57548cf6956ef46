"""Celery entry point:

``celery -A config worker``. Tasks are found in each app's ``tasks`` module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery

from config import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
broker.install()
app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect  # type: ignore[untyped-decorator]
def make_broker_folders(sender: Celery, **_: Any) -> None:
    """Make the folders of the broker without a server; the transport itself does not."""
    options = sender.conf.broker_transport_options or {}
    for key in ("data_folder_in", "data_folder_out", "control_folder"):
        if key in options:
            Path(options[key]).mkdir(parents=True, exist_ok=True)
