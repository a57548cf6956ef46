"""Reverses a text."""

import os

from flask import Flask, Response, jsonify, request

app = Flask(__name__)
counted = {"reversed": 0}


@app.get("/healthz")
@app.get("/readyz")
def alive():
    return jsonify(ok=True)


@app.get("/metrics")
def metrics():
    text = f"# TYPE reversed_total counter\nreversed_total {counted['reversed']}\n"
    return Response(text, mimetype="text/plain")


@app.post("/reverse")
def reverse():
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        return jsonify(error="text is missing"), 422
    counted["reversed"] += 1
    return jsonify(text=body["text"][::-1])


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ["PORT"]))
