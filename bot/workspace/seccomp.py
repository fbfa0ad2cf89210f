"""Decide which system calls a sandboxed process may not make, as a BPF program for bubblewrap.

A deny-list: compilers, JVMs, browsers and test runners must work; what is denied are doors into the kernel
that they don't need, and the ways around the namespaces. A virtual machine's vsock is one: no network
namespace stops it.
"""

import errno
import functools
import importlib
import tempfile
from types import ModuleType
from typing import Any

from bot.workspace.command import SandboxUnavailable

_DENIED = (
    "mount", "umount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree",
    "fsopen", "fsconfig", "fsmount", "fspick", "unshare", "setns", "ptrace", "process_vm_readv",
    "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "keyctl", "add_key", "request_key",
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "open_by_handle_at", "name_to_handle_at", "fanotify_init", "kexec_load", "kexec_file_load",
    "init_module", "finit_module", "delete_module", "create_module", "swapon", "swapoff", "reboot",
    "quotactl", "quotactl_fd", "acct", "settimeofday", "stime", "clock_settime", "clock_settime64",
    "clock_adjtime", "clock_adjtime64", "adjtimex", "syslog", "sethostname", "setdomainname", "vhangup",
    "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "nfsservctl", "uselib", "ustat", "sysfs",
    "_sysctl", "migrate_pages", "move_pages",
)  # fmt: skip
_NAMESPACE_FLAGS = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_FAMILIES = {1, 2, 10, 16}  # unix, inet, inet6, netlink (route only)
_LAST_FAMILY = 63  # well above the last one that any kernel knows
_TTY_COMMANDS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into the terminal of someone else
_LOW_WORD = 0xFFFFFFFF


@functools.cache
def program() -> bytes:
    """Return the filter as BPF bytes, compiled once; raises SandboxUnavailable without libseccomp."""
    try:
        lib = importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        raise SandboxUnavailable(
            f"The system-call filter cannot be built ({error}); install the package libseccomp2 "
            "(libseccomp on Fedora and Alpine)."
        ) from error
    rules = lib.SyscallFilter(lib.ALLOW)
    _deny_calls(lib, rules)
    _deny_namespaces(lib, rules)
    _deny_sockets(lib, rules)
    for command in _TTY_COMMANDS:
        rules.add_rule(lib.ERRNO(errno.EPERM), "ioctl", lib.Arg(1, lib.MASKED_EQ, _LOW_WORD, command))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _deny_calls(lib: ModuleType, rules: Any) -> None:
    for name in _DENIED:
        number = lib.resolve_syscall(lib.system_arch(), name)
        if number >= 0:  # below zero: this architecture or library does not know it
            rules.add_rule(lib.ERRNO(errno.EPERM), number)


def _deny_namespaces(lib: ModuleType, rules: Any) -> None:
    for flag in _NAMESPACE_FLAGS:
        wanted = lib.Arg(0, lib.MASKED_EQ, flag, flag)
        rules.add_rule(lib.ERRNO(errno.EPERM), "clone", wanted)
    # Its flags lie in memory, out of a filter's sight; libc falls back to clone.
    rules.add_rule(lib.ERRNO(errno.ENOSYS), "clone3")


def _deny_sockets(lib: ModuleType, rules: Any) -> None:
    refused = lib.ERRNO(errno.EAFNOSUPPORT)
    for family in range(_LAST_FAMILY + 1):
        if family not in _FAMILIES:
            rules.add_rule(refused, "socket", lib.Arg(0, lib.EQ, family))
    rules.add_rule(refused, "socket", lib.Arg(0, lib.GT, _LAST_FAMILY))
    netlink = (lib.Arg(0, lib.EQ, 16), lib.Arg(2, lib.NE, 0))
    rules.add_rule(refused, "socket", *netlink)
    rules.add_rule(refused, "socketpair", lib.Arg(0, lib.NE, 1))
