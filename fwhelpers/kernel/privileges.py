"""What a process can give up: capabilities, files, system calls (prctl(2), capset(2), landlock(7))."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from struct import pack

CAP_SETPCAP, CAP_NET_ADMIN = 8, 12

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 4, 8, 22
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_POSSIBLE = 63

# the same numbers on every machine but alpha
_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1

#: what each version of Landlock can take away first: access to files, TCP ports, reach of other processes
_LANDLOCK = {
    1: (0x1FFF,), 2: (0x3FFF,), 3: (0x7FFF,), 4: (0x7FFF, 3), 5: (0xFFFF, 3), 6: (0xFFFF, 3, 3),
}  # fmt: skip


def set_undumpable() -> None:
    """Nobody of the same user may trace this process or read its memory; it leaves no core."""
    _prctl(_PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """No program that this process starts gets more than it has."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities(keep: bool) -> None:
    """Whether leaving user 0 leaves the permitted capabilities alone."""
    _prctl(_PR_SET_KEEPCAPS, int(keep))


def bound_capabilities(keep: Iterable[int]) -> None:
    """No program to come gets other capabilities; without CAP_SETPCAP, which this needs, nothing changes."""
    kept = set(keep)
    for number in range(_LAST_POSSIBLE + 1):
        if number not in kept and _prctl(_PR_CAPBSET_READ, number, quiet=True) == 1:
            _prctl(_PR_CAPBSET_DROP, number, quiet=True)


def limit_capabilities(keep: Iterable[int], *, inherited: bool) -> None:
    """Give up all capabilities but these.

    `inherited`: programs that are started get them too, whatever user this is. Raises OSError.
    """
    kept = set(keep)
    mask = sum(1 << number for number in kept)
    _capset(mask, mask if inherited else 0)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for number in kept if inherited else ():
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number)


def _capset(mask: int, inheritable: int) -> None:
    header = ctypes.create_string_buffer(pack("=II", _CAPABILITY_VERSION_3, 0))
    halves = [
        (m & 0xFFFFFFFF, i & 0xFFFFFFFF)
        for m, i in ((mask, inheritable), (mask >> 32, inheritable >> 32))
    ]
    data = b"".join(pack("=III", m, m, i) for m, i in halves)
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.capset(header, ctypes.create_string_buffer(data)), "capset")


def landlock_all() -> int:
    """Take all that Landlock can take; returns its version, 0 where the kernel has none."""
    version = landlock_version()
    if version:
        attribute = b"".join(pack("=Q", m) for m in _LANDLOCK[min(version, max(_LANDLOCK))])
        buffer = ctypes.create_string_buffer(attribute, len(attribute))
        ruleset = _syscall(_SYS_LANDLOCK_CREATE_RULESET, buffer, len(attribute), 0)
        try:
            _syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)
    return version


def landlock_version() -> int:
    """The version of Landlock that this kernel has; 0: none, or not enabled."""
    try:
        return _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    except OSError:
        return 0


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter, as `kernel.seccomp.program` makes it. Raises OSError."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # sock_fprog: the count, padding, a pointer
    filters = pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filters, len(filters))
    )


def _prctl(option: int, *arguments: int | ctypes.Array[ctypes.c_char], quiet: bool = False) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [a if isinstance(a, ctypes.Array) else ctypes.c_ulong(a) for a in arguments]
    padded = given + [ctypes.c_ulong(0)] * (4 - len(given))
    result = int(libc.prctl(option, *padded))
    return result if quiet else _checked(result, f"prctl {option}")


def _syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(int(libc.syscall(ctypes.c_long(number), *given)), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
