"""Start both hops: the API on $PORT, and behind it the generator on the next port, as a process of
its own.
"""

import os
import signal
import subprocess
import sys

import uvicorn

PORT = int(os.environ["PORT"])
os.environ.setdefault("GENERATE_PORT", str(PORT + 1))


def serve(app: str, host: str, port: int) -> None:
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=8,
        timeout_keep_alive=30,
    )


if sys.argv[1:] == ["generate"]:
    serve("app.generate:app", "127.0.0.1", int(os.environ["GENERATE_PORT"]))
else:
    behind = subprocess.Popen([sys.executable, "-m", "app", "generate"])
    # uvicorn sends the signal to itself again once it is done; a clean stop should end with exit
    # code 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve("app.api:app", "0.0.0.0", PORT)
    finally:
        behind.terminate()
        behind.wait(10)
