"""A seccomp filter that allows the listed system calls only (seccomp(2), linux/filter.h).

Other calls fail with EPERM rather than kill: a plugin that imports a module late loses that flow, and does not end its
worker with each packet (decision 0031).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from struct import Struct

from fwhelpers.kernel.syscalls import MAPPING, Machine

_INSTRUCTION = Struct("=HBBI")  # sock_filter: code, jump if true, jump if false, k

_LOAD, _EQUAL, _AT_LEAST, _ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARG2 = 0, 4, 32  # offsets in seccomp_data; the low half of the third argument

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
KILL = 0x80000000

_PROT_EXEC = 4


def program(machine: Machine, allowed: Iterable[str] | None = None) -> bytes:
    """Return the filter as an array of sock_filter, in the byte order of this machine.

    `allowed`: names of system calls; default: all those that `machine` lists.
    """
    names = machine.numbers if allowed is None else set(allowed)
    lines = [
        *_unless(_ARCH, _EQUAL, machine.audit, KILL),
        _op(_LOAD, _NUMBER),
    ]
    if machine.foreign is not None:
        lines += [_op(_AT_LEAST, machine.foreign, 0, 1), _op(_RETURN, KILL)]
    for name in names:
        number = machine.numbers[name]
        body = _mapping() if name in MAPPING else [_op(_RETURN, ALLOW)]
        lines += [_op(_EQUAL, number, 0, len(body)), *body]
    lines.append(_op(_RETURN, REFUSE))
    return b"".join(lines)


def _mapping() -> list[bytes]:
    return [
        _op(_LOAD, _ARG2),
        _op(_ANY, _PROT_EXEC, 0, 1),
        _op(_RETURN, REFUSE),
        _op(_RETURN, ALLOW),
    ]


def _unless(offset: int, test: int, value: int, otherwise: int) -> list[bytes]:
    return [_op(_LOAD, offset), _op(test, value, 1, 0), _op(_RETURN, otherwise)]


def _op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, yes, no, k)
