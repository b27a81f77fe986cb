"""Shut this process in, for good: what a worker does between knowing its plugins and seeing its first packet.

    limits          no further descriptors, no core, bounded memory
    capabilities    CAP_NET_ADMIN alone: the kernel asks it of whoever sends a verdict
    not dumpable    nobody of the same user may trace it or look into its memory
    no_new_privs    no program that it could start would have more
    Landlock        no file, no TCP port, no signal to others; as far as this kernel has it
    seccomp         no new descriptor, process or program, no memory that can run; see `kernel.syscalls`

In this order, as each step needs what the last one takes away.
"""

from __future__ import annotations

import codecs
import platform
import resource
from collections.abc import Callable

from fwhelpers.kernel import privileges, seccomp
from fwhelpers.kernel.syscalls import MACHINES

MEMORY = 1 << 30  #: bytes of address space
FILES = 64  #: poll(2) refuses to wait for more descriptors than the limit allows

_LIMITS = {
    resource.RLIMIT_AS: MEMORY,
    resource.RLIMIT_NOFILE: FILES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
}

#: Python imports a codec when it is first used, which is too late then
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "idna")


def enter_sandbox() -> list[str]:
    """Do all of it; returns what this system could not do, each with its reason. Never raises."""
    for name in _CODECS:
        codecs.lookup(name)
    steps: dict[str, Callable[[], str | None]] = {
        "limits": _limit,
        "capabilities": _give_up,
        "no_new_privs": privileges.no_new_privileges,
        "Landlock": _landlock,
        "seccomp": _filter,
    }
    lacking = []
    for name, step in steps.items():
        try:
            why = step()
        except OSError as error:
            why = error.strerror
        if why:
            lacking.append(f"{name}: {why}")
    return lacking


def _limit() -> None:
    for which, most in _LIMITS.items():
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))


def _give_up() -> None:
    privileges.bound_capabilities([privileges.CAP_NET_ADMIN])
    privileges.limit_capabilities([privileges.CAP_NET_ADMIN], inherited=False)
    privileges.set_undumpable()


def _landlock() -> str | None:
    return (
        None
        if privileges.landlock_all()
        else "not in this kernel, not enabled (lsm=), or not allowed here"
    )


def _filter() -> str | None:
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return f"no table of system calls for {platform.machine()}"
    privileges.filter_calls(seccomp.program(machine))
    return None
