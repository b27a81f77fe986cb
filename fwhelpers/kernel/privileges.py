"""Dropping privileges: capabilities, file access, system calls (prctl(2), capset(2), landlock(7))."""

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

#: the restrictions of each Landlock version: file access, TCP ports, scope of other processes
_LANDLOCK = {
    1: (0x1FFF,), 2: (0x3FFF,), 3: (0x7FFF,), 4: (0x7FFF, 3), 5: (0xFFFF, 3), 6: (0xFFFF, 3, 3),
}  # fmt: skip


def set_undumpable() -> None:
    """Forbid processes of the same user to trace this one or read its memory, and core dumps."""
    _prctl(_PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """Keep programs that this process starts from gaining privileges."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities(keep: bool) -> None:
    """Set whether the permitted capabilities survive a change from user 0 to another."""
    _prctl(_PR_SET_KEEPCAPS, int(keep))


def bound_capabilities(keep: Iterable[int]) -> None:
    """Drop all other capabilities from the bounding set. Has no effect without CAP_SETPCAP."""
    keep = set(keep)
    for number in range(_LAST_POSSIBLE + 1):
        if number not in keep and _prctl(_PR_CAPBSET_READ, number, quiet=True) == 1:
            _prctl(_PR_CAPBSET_DROP, number, quiet=True)


def limit_capabilities(keep: Iterable[int], *, inherited: bool) -> None:
    """Drop all capabilities but these.

    `inherited`: programs that this process starts get them too, for any user. Raises OSError.
    """
    keep = set(keep)
    mask = sum(1 << number for number in keep)
    _capset(mask, mask if inherited else 0)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for number in keep if inherited else ():
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
    """Apply all restrictions of Landlock. Return its version, 0 if the kernel has none."""
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
    """Return the kernel's version of Landlock, 0 if it is missing or disabled."""
    try:
        return _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    except OSError:
        return 0


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter made by `kernel.seccomp.program`. Raises OSError."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # sock_fprog: the count, padding, a pointer
    filters = pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filters, len(filters))
    )


def _prctl(option: int, *arguments: int | ctypes.Array[ctypes.c_char], quiet: bool = False) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    values = [a if isinstance(a, ctypes.Array) else ctypes.c_ulong(a) for a in arguments]
    padded = values + [ctypes.c_ulong(0)] * (4 - len(values))
    result = int(libc.prctl(option, *padded))
    return result if quiet else _checked(result, f"prctl {option}")


def _syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(int(libc.syscall(ctypes.c_long(number), *values)), f"system call {number}")


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
