"""Start the service on $PORT. uvicorn finishes requests in flight when SIGTERM arrives."""

import os

import uvicorn

from app.main import app

uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning", timeout_graceful_shutdown=8)
