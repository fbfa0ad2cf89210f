# ruff: noqa: PTH110, PTH123, PTH208, PTH211, T201
"""Try, from inside the sandbox, each way out that a hostile program knows; print what happened as JSON.

Not a test: tests/test_workspace_escape.py runs it in the sandbox and says what has to come out.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import sys

FACTS = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
FOUND: dict[str, object] = {}


def syscall(number: int, *arguments: int) -> str:
    """Return "allowed" or the error's name of one raw system call."""
    passed = [ctypes.c_long(argument) for argument in arguments]
    result = libc.syscall(ctypes.c_long(number), *passed)
    return "allowed" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def outcome(action: object, *arguments: object) -> str:
    """Return "allowed" or the error's name of a Python call."""
    try:
        action(*arguments)  # type: ignore[operator]
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except ValueError:
        return "ValueError"
    return "allowed"


def reading(path: str) -> str:
    return outcome(open, path)


def writing(path: str) -> str:
    return outcome(open, path, "w")


def connecting(family: int, address: object) -> str:
    with socket.socket(family) as client:
        return outcome(client.connect, address)


def making(family: int, kind: int, protocol: int = 0) -> str:
    return outcome(socket.socket, family, kind, protocol)


def canaries() -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if FACTS["canary"].encode() in file.read():
                found.append(pid)
    return found


def status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        lines = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    return {name: lines[name].strip() for name in ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp")}


def links() -> list[str]:
    os.symlink(FACTS["secret"], "/workspace/link")
    return [reading("/workspace/link"), outcome(os.link, "/usr/bin/env", "/workspace/hard")]


secret = FACTS["secret"]
FOUND["secret places"] = [reading(p) for p in ("/root/.ssh", "/etc/shadow", secret, f"/proc/1/root{secret}")]
FOUND["homes"] = [os.listdir("/home"), os.path.exists("/sys"), os.path.exists("/var"), os.listdir("/run")]
FOUND["canaries"] = canaries()
FOUND["host tcp"] = connecting(socket.AF_INET, ("127.0.0.1", FACTS["port"]))
FOUND["abstract socket"] = connecting(socket.AF_UNIX, "\0" + FACTS["abstract"])
FOUND["route"] = connecting(socket.AF_INET, ("192.0.2.1", 80))
FOUND["metadata"] = connecting(socket.AF_INET, ("169.254.169.254", 80))
FOUND["interfaces"] = [name for _, name in socket.if_nameindex()]
FOUND["names"] = outcome(socket.getaddrinfo, "example.org", 80) != "allowed"
FOUND["families"] = [
    making(f, t, p) for f, t, p in ((40, 1, 0), (17, 3, 0), (38, 5, 0), (16, 3, 12), (30, 1, 0))
]
FOUND["family in the high word"] = syscall(41, (1 << 32) | 40, 1, 0)
FOUND["raw socket"] = making(socket.AF_INET, socket.SOCK_RAW, 1)
FOUND["useful sockets"] = [making(f, 1) for f in (1, 2, 10)]
FOUND["writes"] = [
    writing(f"{d}/planted") for d in ("/usr", "/usr/bin", "/etc", "/dev", "", "/opt", "/opt/journeyman")
]
FOUND["mounts"] = [syscall(165, 0, 0, 0, 0, 0), syscall(166, 0, 0), syscall(155, 0, 0), syscall(161, 0)]
FOUND["namespaces"] = [syscall(272, 0x10000000), syscall(308, 0, 0), syscall(56, 0x10000011, 0, 0, 0, 0)]
FOUND["clone3"] = syscall(435, 0, 0)
FOUND["other processes"] = [syscall(101, 16, 1, 0, 0), syscall(310, 1, 0, 0, 0, 0, 0), syscall(438, 3, 0, 0)]
FOUND["kernel doors"] = [
    syscall(number, 0, 0, 0, 0, 0) for number in (250, 321, 298, 425, 323, 304, 246, 103)
]
FOUND["devices"] = [
    outcome(os.mknod, "/workspace/dev", 0o20666, os.makedev(1, 1)),
    reading("/dev/vda"),
    reading("/dev/kvm"),
]
FOUND["status"] = status()
FOUND["kernel settings"] = [
    writing(f"/proc/sys/{name}") == "allowed"
    for name in ("kernel/core_pattern", "kernel/sysrq", "kernel/modprobe")
]
FOUND["descriptors"] = sorted(fd for fd in range(3, 256) if outcome(os.fstat, fd) == "allowed")
FOUND["limits"] = [
    outcome(resource.setrlimit, resource.RLIMIT_NPROC, (100_000, 100_000)),
    outcome(resource.setrlimit, resource.RLIMIT_CORE, (1, 1)),
    outcome(os.nice, -5),
]
FOUND["typing into a terminal"] = outcome(fcntl.ioctl, 0, 0x5412, b"x")
FOUND["links"] = links()
FOUND["kill the host"] = outcome(os.kill, FACTS["victim"], signal.SIGKILL)
FOUND["who"] = [os.getuid(), os.getgid()]
with contextlib.suppress(ProcessLookupError):
    os.kill(-1, signal.SIGKILL)
print(json.dumps(FOUND))
