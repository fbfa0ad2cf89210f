"""Decide what a sandboxed process sees: bubblewrap's options, its synthetic files and its environment.

Every namespace is its own, the root is empty, there is no capability and no way to make another user
namespace. Descriptors are numbered here and filled by the launcher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STATUS = 10
SECCOMP = 12
_FIRST_FILE = 13
AGENT = 1000  # uid and gid inside, whatever they are outside
TOOLS = "/opt/journeyman"  # our own stdlib-only programs, read-only
PYTHON = "/opt/python"
ENVIRONMENT = "/opt/env"
HOME = "/home/agent"
EGRESS = "/run/egress.sock"

_MIB = 1 << 20
_FILES = {
    "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nagent:x:{AGENT}:{AGENT}:agent:{HOME}:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "/etc/group": f"root:x:0:\nagent:x:{AGENT}:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    # Borrowed objects and overlaid files belong to other uids than the agent's.
    "/etc/gitconfig": "[safe]\n\tdirectory = *\n[user]\n\tname = agent\n\temail = agent@sandbox.invalid\n"
    "[core]\n\tpager = cat\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[init]\n\tdefaultBranch = main\n"
    "[advice]\n\tdetachedHead = false\n",
}
_ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl/certs", "ssl/openssl.cnf",
    "pki/tls/certs", "localtime", "mime.types", "protocols", "services",
)  # fmt: skip
_LINKS = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")


@dataclass(frozen=True)
class Bind:
    """One host path that is visible inside."""

    source: str
    target: str
    writable: bool = False


def files() -> list[tuple[int, bytes]]:
    """Return the synthetic files as (descriptor, content), in the order that `options` numbers them."""
    return [(_FIRST_FILE + place, text.encode()) for place, text in enumerate(_FILES.values())]


def environment(extra: Mapping[str, str], *, memory_bytes: int) -> dict[str, str]:
    """Return the whole environment inside; `extra` wins."""
    search = (f"{ENVIRONMENT}/bin", f"{PYTHON}/bin", "/usr/local/bin", "/usr/bin", "/bin")
    return {
        "PATH": ":".join(search),
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
        "CI": "1",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        # A JVM sizes its heap from the host's memory, which it sees, and not from the limit.
        "JAVA_TOOL_OPTIONS": f"-XX:MaxRAM={memory_bytes}",
        **extra,
    }


def options(
    binds: Sequence[Bind], *, cwd: str, variables: Mapping[str, str], scratch_bytes: int = 256 * _MIB
) -> list[str]:
    """Return bubblewrap's options for one command; /tmp and the home folder are sized tmpfs unless bound."""
    taken = {bind.target for bind in binds}
    return [
        *_namespaces(),
        *_system(),
        *_scratch(taken, scratch_bytes),
        *_binds(binds),
        "--remount-ro", "/",
        *(part for name, value in variables.items() for part in ("--setenv", name, value)),
        "--chdir", cwd,
        "--add-seccomp-fd", str(SECCOMP),
        "--json-status-fd", str(STATUS),
    ]  # fmt: skip


def _namespaces() -> list[str]:
    return [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--disable-userns", "--assert-userns-disabled",
        "--uid", str(AGENT), "--gid", str(AGENT), "--hostname", "sandbox",
        "--die-with-parent", "--new-session", "--clearenv",
    ]  # fmt: skip


def _system() -> list[str]:
    found = ["--size", str(8 * _MIB), "--tmpfs", "/", "--ro-bind", "/usr", "/usr"]
    for name in _LINKS:
        host = Path("/") / name
        if host.is_symlink():
            found += ["--symlink", str(host.readlink()), f"/{name}"]
        elif host.is_dir():
            found += ["--ro-bind", str(host), f"/{name}"]
    for name in _ETC:
        found += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for place, target in enumerate(_FILES):
        found += ["--perms", "0444", "--ro-bind-data", str(_FIRST_FILE + place), target]
    found += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    return [*found, "--size", str(64 * _MIB), "--perms", "1777", "--tmpfs", "/dev/shm", "--dir", "/run"]  # noqa: S108


def _scratch(taken: set[str], size: int) -> list[str]:
    found: list[str] = []
    for target, mode in (("/tmp", "1777"), (HOME, "0700")):  # noqa: S108
        if target not in taken:
            found += ["--size", str(size), "--perms", mode, "--tmpfs", target]
    return found


def _binds(binds: Sequence[Bind]) -> list[str]:
    """Shallow targets come first, so that a bind inside another is not covered by it."""
    ordered = sorted(binds, key=lambda bind: bind.target.count("/"))
    return [
        part
        for bind in ordered
        for part in ("--bind" if bind.writable else "--ro-bind", bind.source, bind.target)
    ]
