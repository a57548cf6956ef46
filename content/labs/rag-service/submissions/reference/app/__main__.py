"""Start the service on $PORT. uvicorn finishes requests in flight when SIGTERM arrives."""

import os
import signal
import sys

import uvicorn

from app.main import app

# uvicorn sends the signal to itself again once it is done; a clean stop should end with exit code
# 0.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
uvicorn.run(
    app,
    host="0.0.0.0",
    port=int(os.environ["PORT"]),
    log_level="warning",
    timeout_graceful_shutdown=8,
)
