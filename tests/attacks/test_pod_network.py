"""Attacks from the learner's container on the network: the host, other runs, and the parties of its
own pod.

Where the engine runs on this machine, real listeners on the host would see anything that got out.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import podkit
import pytest

pytestmark = pytest.mark.docker

MARK = b"seatrial-attack"
GROUP = "239.77.77.77"

ATTACKS = (Path(__file__).parent / "inside" / "network.py").read_text()
NAMES = [
    "host_tcp",
    "host_udp_broadcast",
    "host_multicast",
    "dontroute_bindtodevice",
    "pktinfo_dontroute",
    "raw_frame_v6",
    "arp_oracle",
    "dns_exfil",
    "metadata_169_254",
    "vsock",
    "port_squat_sidecar",
    "probe_port_scan",
]

SIDECAR = """
import socket, time
# As haproxy and others do by themselves: only its user then keeps strangers off its port.
with socket.create_server(("0.0.0.0", 9100), reuse_port=True) as server:
    print("LISTENING", flush=True)
    time.sleep(60)
"""


class HostListener:
    """Listens on the host, by TCP and by UDP on every address and in the multicast group."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("0.0.0.0", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp.bind(("0.0.0.0", self.port))
        for address in self.addresses():
            member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address))
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self.udp.settimeout(0.2)
        self.heard: list[str] = []
        self.done = False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    @staticmethod
    def addresses() -> list[str]:
        """Every IPv4 address of this host."""
        found = ["127.0.0.1"]
        for _, name in socket.if_nameindex():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                try:
                    packed = fcntl.ioctl(s, 0x8915, struct.pack("256s", name.encode()))
                except OSError:
                    continue
                found.append(socket.inet_ntoa(packed[20:24]))
        return sorted(set(found))

    def _listen(self) -> None:
        while not self.done:
            try:
                data, source = self.udp.recvfrom(4096)
            except TimeoutError:
                continue
            if MARK in data:
                self.heard.append(f"udp from {source}")

    def close(self) -> list[str]:
        """What was heard."""
        self.tcp.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            self.heard.append(f"tcp from {self.tcp.accept()[1]}")
        self.done = True
        self.thread.join()
        self.tcp.close()
        self.udp.close()
        return self.heard


@pytest.fixture(scope="module")
def host() -> Iterator[HostListener]:
    listener = HostListener()
    yield listener
    if not listener.done:
        listener.close()


@pytest.fixture(scope="module")
def found(host: HostListener) -> dict[str, object]:
    """What every attack of one hostile service came to, in one pod with a sidecar and a probe."""
    env = {"HOSTS": " ".join(host.addresses()), "HOST_PORT": str(host.port)}
    with podkit.pod("app", "models") as where:
        where.start(podkit.party(SIDECAR, "models", role="sidecar", port=9100))
        where.start(
            podkit.party("import sys; sys.stdin.read()", "probe", role="probe", interactive=True)
        )
        deadline = time.monotonic() + 10
        while "LISTENING" not in where.logs("models"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        where.start(podkit.attacker(ATTACKS, *NAMES, env=env))
        result = podkit.result(where, within_s=60)
    result["heard"] = host.close()
    return result


def test_the_host_listener_would_have_heard(host):
    """The control: the same datagram sent on the host does arrive."""
    other = HostListener()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(MARK, ("127.0.0.1", other.port))
        time.sleep(0.3)
    assert other.close()


def test_host_tcp(found):
    assert found["host_tcp"]
    assert "open" not in found["host_tcp"].values()


def test_nothing_was_heard_on_the_host(found):
    assert found["heard"] == []


def test_host_udp_broadcast(found):
    assert found["host_udp_broadcast"] in ([], ["127.0.0.1"])


def test_host_multicast(found):
    assert isinstance(found["host_multicast"], list)
    assert found["heard"] == []


def test_dontroute_bindtodevice(found):
    assert found["dontroute_bindtodevice"] == ["lo"]
    assert found["heard"] == []


def test_pktinfo_dontroute(found):
    assert found["pktinfo_dontroute"] is True
    assert found["heard"] == []


def test_raw_frame_v6(found):
    assert set(found["raw_frame_v6"].values()) == {"Operation not permitted"}


def test_arp_oracle(found):
    assert found["arp_oracle"] == [0, 0]


def test_dns_exfil(found):
    answer, seconds = found["dns_exfil"]
    assert answer == "none"
    assert seconds < 4


def test_metadata_169_254(found):
    assert found["metadata_169_254"] == "Network is unreachable"


def test_vsock(found):
    assert found["vsock"] == ["Operation not permitted"] * 2


def test_port_squat_sidecar(found):
    assert set(found["port_squat_sidecar"].values()) == {"Address already in use"}


def test_probe_port_scan(found):
    assert found["probe_port_scan"] == [9100]


def test_bind_loopback_only():
    """A service that listens on 127.0.0.1 alone is not reachable by its name; one on 0.0.0.0 is."""
    service = """
    import socket, sys, time
    shut, wide = socket.create_server(("127.0.0.1", 8001)), socket.create_server(("0.0.0.0", 8002))
    time.sleep(60)
    """
    ask = """
    import socket, sys, time
    for line in sys.stdin:
        host, port = line.split()
        try:
            socket.create_connection((host, int(port)), timeout=5).close(); print("open", flush=True)
        except OSError as error:
            print(error.strerror, flush=True)
    """
    with podkit.pod("app") as where:
        where.start(podkit.party(ask, "probe", role="probe", interactive=True))
        where.start(podkit.party(service, "app"))
        channel = where.open_channel("probe")

        def answer(target: str) -> str | None:
            channel.send(target)
            return channel.receive(10)

        deadline = time.monotonic() + 10
        while answer("app 8002") != "open":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer("app 8001") == "Connection refused"


def test_cross_run_reach():
    """Another run's service can't be reached at any of its addresses, nor its abstract socket by
    name.
    """
    victim = """
    import socket, time
    tcp = socket.create_server(("0.0.0.0", 8000))
    local = socket.socket(socket.AF_UNIX); local.bind("\\0seatrial-victim"); local.listen()
    print("LISTENING", flush=True)
    time.sleep(60)
    """
    thief = """
    import socket
    def cross_run_reach():
        reached = []
        for last in range(1, 20):
            with socket.socket() as s:
                s.settimeout(1)
                if s.connect_ex((f"127.0.0.{last}", 8000)) == 0: reached.append(last)
        with socket.socket(socket.AF_UNIX) as s:
            if s.connect_ex("\\0seatrial-victim") == 0: reached.append("abstract")
        return reached
    """
    with podkit.pod("app") as one, podkit.pod("app") as two:
        one.start(podkit.party(victim))
        deadline = time.monotonic() + 10
        while "LISTENING" not in one.logs("app"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        two.start(podkit.attacker(textwrap.dedent(thief), "cross_run_reach"))
        assert podkit.result(two)["cross_run_reach"] == []
        assert one.state("app").running
