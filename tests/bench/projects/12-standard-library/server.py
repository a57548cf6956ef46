"""Reverses a text, with the standard library alone."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reversed = 0

    def do_GET(self) -> None:
        if self.path == "/metrics":
            text = f"# TYPE reversed_total counter\nreversed_total {Handler.reversed}\n"
            self.answer(200, text.encode(), "text/plain; version=0.0.4")
        elif self.path in ("/healthz", "/readyz"):
            self.answer(200, b'{"ok": true}')
        else:
            self.answer(404, b'{"error": "nothing here"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            text = json.loads(body)["text"]
            reversed_text = self.reverse(text)
        except (ValueError, KeyError, TypeError):
            return self.answer(422, b'{"error": "text is missing"}')
        Handler.reversed += 1
        return self.answer(200, json.dumps({"text": reversed_text}).encode())

    def reverse(self, text: str) -> str:
        if not isinstance(text, str):
            raise TypeError(text)
        return text[::-1]

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
