"""Confines this process for good, between loading the plugins and reading the first packet.

    limits          no further descriptors, no core, bounded memory and file size
    capabilities    CAP_NET_ADMIN alone: the kernel requires it of the sender of a verdict
    not dumpable    no process of the same user may trace this one or read its memory
    no_new_privs    no program that it could start would gain privileges
    Landlock        no file, no TCP port, no signal to other processes; as far as this kernel supports it
    seccomp         no new descriptor, process or program, no executable memory; see `kernel.syscalls`

In this order, as each step needs what a later one takes away.
"""

from __future__ import annotations

import codecs
import platform
import resource
from collections.abc import Callable

from fwhelpers.kernel import privileges, seccomp
from fwhelpers.kernel.syscalls import MACHINES
from fwhelpers.worker.shared_memory import MAX_HANDOVER

MEMORY = 1 << 30  #: bytes of address space
FILES = 64  #: poll(2) refuses to wait for more descriptors than the limit allows

_LIMITS = {
    resource.RLIMIT_AS: MEMORY,
    resource.RLIMIT_NOFILE: FILES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: MAX_HANDOVER,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
}

#: Python imports a codec at its first use, which the sandbox forbids
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "idna")


def enter_sandbox() -> list[str]:
    """Returns the steps that this system does not support, each with the reason. Never raises."""
    for name in _CODECS:
        codecs.lookup(name)
    steps: dict[str, Callable[[], str | None]] = {
        "limits": _set_limits,
        "capabilities": _drop_capabilities,
        "no_new_privs": privileges.no_new_privileges,
        "Landlock": _landlock,
        "seccomp": _filter_system_calls,
    }
    gaps = []
    for name, step in steps.items():
        try:
            reason = step()
        except OSError as error:
            reason = error.strerror
        if reason:
            gaps.append(f"{name} unavailable: {reason}")
    return gaps


def _set_limits() -> None:
    for kind, limit in _LIMITS.items():
        _, hard = resource.getrlimit(kind)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _drop_capabilities() -> None:
    privileges.bound_capabilities([privileges.CAP_NET_ADMIN])
    privileges.limit_capabilities([privileges.CAP_NET_ADMIN], inherited=False)
    privileges.set_undumpable()


def _landlock() -> str | None:
    if privileges.landlock_all():
        return None
    return "not in this kernel, not enabled (lsm=), or not allowed here"


def _filter_system_calls() -> str | None:
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return f"no table of system calls for {platform.machine()}"
    privileges.filter_calls(seccomp.program(machine))
    return None
