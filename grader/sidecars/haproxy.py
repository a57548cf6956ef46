"""haproxy in front of the replicas of a learner's service.

Not named in ``sidecars:``; ``replicas:`` brings it.
"""

from __future__ import annotations

from grader.lab import LabSpec

IMAGE = "seatrial/edge:1"
COMMAND = ("/opt/seatrial/edge/balancer.sh",)
CHECK_MS = 500
CONFIG = """\
global
    maxconn 4000
    # Else the kernel shares this port with whoever asks for it in the same way.
    noreuseport
defaults
    mode http
    timeout connect 1s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 120s
    # A connection that can't even be opened is tried on another replica. What was sent is never sent twice.
    retries 2
    option redispatch 1
    # Else it waits up to 200 ms for more before it sends on the first token of a stream.
    option http-no-delay
frontend front
    bind 0.0.0.0:{port}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET {path}
    http-check expect status 200
    default-server inter {check_ms}ms fastinter {check_ms}ms downinter {check_ms}ms fall 2 rise 1
{servers}
"""


def balancer_env(spec: LabSpec) -> dict[str, str]:
    """The environment of the balancer: its whole configuration.

    A replica is asked for readiness twice a second.
    """
    servers = "\n".join(
        f"    server {name} {name}:{port} check" for name, port in spec.app_ports.items()
    )
    service = spec.service
    return {
        "HAPROXY_CONFIG": CONFIG.format(
            port=service.port, path=service.ready_path, check_ms=CHECK_MS, servers=servers
        )
    }
