"""The hostile program that the doctor runs in a pod.

It is sent as text, and needs nothing but Python.
"""

PROGRAM = """
import ctypes, errno, json, os, socket, time

libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine in ("aarch64", "arm64")

def call(number, *arguments):
    said = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return "open" if said >= 0 else "closed"

def reached():
    found = []
    for address in ("172.17.0.1", "192.168.65.1", "169.254.169.254", "10.0.2.2", "8.8.8.8"):
        for port in (22, 53, 80, 2375, 5432, 6379):
            with socket.socket() as s:
                s.settimeout(0.3)
                said = s.connect_ex((address, port))
                # A refusal comes from a host too: only "no route" is silence.
                if said not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                    found.append(f"{address}:{port}")
    return found

def rootfs():
    try:
        open("/etc/doctor", "w").close()
        return "writable"
    except OSError as error:
        return errno.errorcode[error.errno] if error.errno == errno.EROFS else try_mounts()

def try_mounts():
    with open("/proc/mounts") as mounts:
        options = next(line.split()[3] for line in mounts if line.split()[1] == "/")
    return "EROFS" if "ro" in options.split(",") else "writable by root"

def tmp_mb():
    done = 0
    try:
        with open("/tmp/fill", "wb", buffering=0) as out:
            while done < 64:
                out.write(b"x" * (1 << 20))
                done += 1
    except OSError:
        pass
    os.unlink("/tmp/fill")
    return done

def forks():
    made = 0
    try:
        while made < 500:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            made += 1
    except OSError:
        pass
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in (1, os.getpid()):
            os.kill(int(entry), 9)
    return made

def resolves():
    try:
        return socket.gethostbyname("app")
    except OSError:
        return "unknown"

def vsock():
    try:
        socket.socket(40, socket.SOCK_STREAM).close()
        return "open"
    except OSError:
        return "closed"

with open("/proc/self/status") as status:
    fields = dict(line.split(":", 1) for line in status)
print("RESULT " + json.dumps({
    "interfaces": [name for _, name in socket.if_nameindex()],
    "reached": reached(),
    "resolves": resolves(),
    "uid": os.getuid(),
    "nnp": fields.get("NoNewPrivs", "0").strip(),
    "caps": int(fields["CapEff"], 16) | int(fields["CapBnd"], 16),
    "rootfs": rootfs(),
    "tmp_mb": tmp_mb(),
    "forks": forks(),
    "vsock": vsock(),
    "io_uring": call(425, 8, ctypes.addressof(ctypes.create_string_buffer(256))),
    "userns": call(97 if ARM else 272, 0x10000000),
}), flush=True)
"""
