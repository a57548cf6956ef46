"""The sidecars as they really run: our images, in a pod without a network, a client beside them."""

from __future__ import annotations

import contextlib
import json
import time

import podkit
import pytest
from sidecarkit import command, greet, run_client, sidecar_party

from grader.lab import Sidecar

pytestmark = pytest.mark.docker


def test_gateway_answers_streams_and_meters() -> None:
    models = Sidecar(
        name="models", kind="model-gateway", port=9100, memory_mb=320, config={"keys": ["k"]}
    )
    with podkit.pod("app", "models") as pod:
        pod.start(sidecar_party(models))
        channel = greet(pod, models)
        seen = run_client(
            pod,
            "app",
            """
chat = "/v1/chat/completions"
found = {
    "refused": call("GET", "/v1/models", key="other"),
    "days": call("POST", chat, ask("How many days until Cedar Plus gives me my money back?")),
    "missing": call("POST", chat, ask("How many days until Orchid Gold gives me my money back?")),
    "streamed": call("POST", chat, ask("How many dollars do I pay myself with Cedar Plus?", stream=True)),
    "vectors": call("POST", "/v1/embeddings", {"input": ["The cat sleeps on the sofa.",
        "A kitten is napping on the couch.", "Bake the bread for half an hour."]}),
}
print("RESULT " + json.dumps(found), flush=True)
""",
        )
        assert seen["refused"]["status"] == 401
        answers = {
            n: json.loads(seen[n]["text"])["choices"][0]["message"]["content"]
            for n in ("days", "missing")
        }
        assert answers == {"days": "42 days [c17]", "missing": "NOT_FOUND"}
        events = [
            line[6:] for line in seen["streamed"]["text"].splitlines() if line.startswith("data: ")
        ]
        assert events[-1] == "[DONE]"
        pieces = [json.loads(e)["choices"][0]["delta"].get("content", "") for e in events[:-1]]
        assert "".join(pieces) == "90 dollars [c18]"
        cat, kitten, bread = (d["embedding"] for d in json.loads(seen["vectors"]["text"])["data"])
        assert len(cat) == 384
        assert sum(x * x for x in cat) == pytest.approx(1, abs=1e-4)
        alike, unlike = (sum(a * b for a, b in zip(cat, v, strict=True)) for v in (kitten, bread))
        assert alike > 0.45 > 0.2 > unlike

        ledger = command(channel, {"command": "ledger"})
        metered = [r for r in ledger["rows"] if r["kind"] == "chat"]
        assert [r["status"] for r in metered] == [200, 200, 200]
        used = json.loads(seen["days"]["text"])["usage"]
        assert metered[0]["prompt_tokens"] == used["prompt_tokens"] > 30
        assert ledger["totals"]["cost_micro"] == sum(r["cost_micro"] for r in ledger["rows"]) > 0


def test_gateway_fails_as_it_is_told() -> None:
    models = Sidecar(
        name="models", kind="model-gateway", port=9100, memory_mb=320, config={"keys": ["k"]}
    )
    with podkit.pod("app", "models") as pod:
        pod.start(sidecar_party(models))
        channel = greet(pod, models)
        rules = [
            {"kind": "429", "to_index": 1, "retry_after_s": 2},
            {"kind": "reset", "from_index": 1, "to_index": 2},
        ]
        command(channel, {"command": "faults", "rules": rules})
        failed = run_client(
            pod,
            "app",
            """
body = ask("How many days until Cedar Plus gives me my money back?")
found = [call("POST", "/v1/chat/completions", body) for _ in range(3)]
print("RESULT " + json.dumps(found), flush=True)
""",
        )
        assert [r["status"] for r in failed] == [429, 200, 200]
        assert failed[0]["retry"] == "2"
        assert "error" in failed[1]
        assert "42 days [c17]" in failed[2]["text"]
        assert [r["fault"] for r in command(channel, {"command": "ledger"}, 2)["rows"]] == [
            "429",
            "reset",
            "",
        ]
        state = pod.state("models")
        assert state.running
        assert not state.oom_killed


def test_a_sidecar_keeps_a_connection_longer_than_its_clients_do() -> None:
    """httpx gives an idle one up after 5 s; a sidecar that closed then would break a request on its
    way.
    """
    models = Sidecar(name="models", kind="model-gateway", port=9100, memory_mb=320)
    with podkit.pod("app", "models") as pod:
        pod.start(sidecar_party(models))
        with contextlib.closing(greet(pod, models)):
            statuses = run_client(
                pod,
                "app",
                """
kept = http.client.HTTPConnection("models", 9100, timeout=20)
kept.connect()
ours, found = kept.sock, []
for _ in range(2):
    kept.request("GET", "/healthz")
    answer = kept.getresponse()
    answer.read()
    found.append(answer.status if kept.sock is ours else "closed")
    time.sleep(6)
print("RESULT " + json.dumps(found), flush=True)
""",
            )
    assert statuses == [200, 200]


def test_gateway_ends_when_the_engine_hangs_up() -> None:
    models = Sidecar(name="models", kind="model-gateway", port=9100, memory_mb=320)
    with podkit.pod("app", "models") as pod:
        pod.start(sidecar_party(models))
        greet(pod, models).close()
        assert podkit.ended(pod, "models").exit_code is not None


def test_postgres_keeps_its_data_over_a_restart() -> None:
    db = Sidecar(
        name="db",
        kind="postgres",
        port=5432,
        config={"user": "u", "password": "p'w", "database": "d"},
    )
    probe = podkit.sandbox().image("seatrial/probe:1")
    query = """
import json, psycopg, time
for _ in range(100):
    try:
        c = psycopg.connect("postgresql://u:p'w@db:5432/d", autocommit=True)
        break
    except psycopg.OperationalError as error:
        last = error
        time.sleep(0.1)
else:
    raise last
"""
    write = query + (
        "c.execute('create extension vector'); c.execute('create table t (v vector(2))')\n"
        "c.execute(\"insert into t values ('[1,2]')\")\nprint('RESULT {}', flush=True)\n"
    )
    read = (
        query
        + "print('RESULT ' + json.dumps({'v': c.execute('select v::text from t').fetchone()[0]}), flush=True)\n"
    )
    with podkit.pod("app", "db") as pod:
        pod.start(sidecar_party(db))
        pod.start(podkit.party(write, "app", image=probe, memory_mb=256))
        podkit.result(pod, "app")
        pod.stop("db", 10)
        pod.restart("db")
        time.sleep(0.5)
        pod.start(podkit.party(read, "app2", image=probe, memory_mb=256))
        assert podkit.result(pod, "app2") == {"v": "[1,2]"}


def test_a_store_behind_a_link_that_fails() -> None:
    """valkey as it really runs, reached through the fault proxy: quick, slow, cut, whole again, and
    lossy.
    """
    store = Sidecar(name="store-real", kind="valkey", port=6379, memory_mb=96)
    link = Sidecar(
        name="store", kind="fault-proxy", port=6380, config={"upstream": "store-real:6379"}
    )
    with podkit.pod("app", "store-real", "store") as pod:
        pod.start(sidecar_party(store))
        pod.start(sidecar_party(link))
        channel = greet(pod, link)
        client = """
import socket
def ask(line):
    began = time.perf_counter()
    try:
        with socket.create_connection(("store", 6380), timeout=3) as s:
            s.sendall(line + b"\\r\\n")
            said = s.recv(100).decode()
    except OSError as error:
        said = type(error).__name__
    return said, time.perf_counter() - began
print("RESULT " + json.dumps({"set": ask(b"SET k 1"), "get": ask(b"INCR k")}), flush=True)
"""
        deadline = time.monotonic() + 20
        while (quick := run_client(pod, f"app-{time.monotonic_ns()}", client))["set"][
            0
        ] != "+OK\r\n":
            assert time.monotonic() < deadline, quick
        assert quick["get"][0] == ":2\r\n"
        command(channel, {"command": "link", "latency_ms": 150})
        slow = run_client(pod, "app-slow", client)
        assert slow["get"][0] == ":2\r\n"
        assert slow["get"][1] > 0.3
        command(channel, {"command": "link", "cut": True}, 2)
        cut = run_client(pod, "app-cut", client)
        assert cut["get"][0] in ("ConnectionResetError", "")
        command(channel, {"command": "link"}, 3)
        assert run_client(pod, "app-whole", client)["get"][0] == ":2\r\n"
        command(channel, {"command": "link", "loss": 0.3}, 4)
        lossy = run_client(pod, "app-lossy", LOSSY)
        assert [said for said, _ in lossy] == [f":{n}\r\n" for n in range(3, 23)]
        assert 2 <= sum(seconds > 0.19 for _, seconds in lossy) < 20
        assert command(channel, {"command": "stats"}, 5)["lost"] >= 2


LOSSY = """
import socket
found = []
with socket.create_connection(("store", 6380), timeout=30) as s:
    for _ in range(20):
        began = time.perf_counter()
        s.sendall(b"INCR k\\r\\n")
        found.append((s.recv(100).decode(), time.perf_counter() - began))
print("RESULT " + json.dumps(found), flush=True)
"""
