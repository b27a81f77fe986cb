"""The filter, run by an interpreter of its own: what each system call would get."""

from __future__ import annotations

from struct import iter_unpack, pack, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import seccomp
from fwhelpers.kernel.syscalls import MACHINES, MAPPING, Machine

X86, ARM = MACHINES["x86_64"], MACHINES["aarch64"]


def verdict(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """kernel/seccomp.c: the classic BPF machine over struct seccomp_data."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = pack("=IIQ6Q", number, arch, 0, *padded)
    lines = list(iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code == 0x06:
            return int(k)
        if code == 0x20:
            (accumulator,) = unpack_from("=I", data, k)
            continue
        taken = {
            0x15: accumulator == k,
            0x35: accumulator >= k,
            0x45: bool(accumulator & k),
        }[code]
        at += yes if taken else no


machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))


@machines
def test_exactly_the_listed_calls_pass(machine: Machine) -> None:
    program = seccomp.program(machine)
    passed = {n for n in range(512) if verdict(program, machine.audit, n) == seccomp.ALLOW}
    assert passed == set(machine.numbers.values())
    others = {verdict(program, machine.audit, n) for n in range(512)} - {seccomp.ALLOW}
    assert others == {seccomp.REFUSE}


@machines
def test_another_calling_convention_kills(machine: Machine) -> None:
    program = seccomp.program(machine)
    for other in (0x40000003, 0, machine.audit ^ 1):  # 0x40000003: i386
        assert verdict(program, other, machine.numbers["read"]) == seccomp.KILL
    if machine.foreign is not None:
        assert verdict(program, machine.audit, machine.foreign + 1) == seccomp.KILL


@machines
@given(st.integers(0, 2**32 - 1))
def test_no_memory_that_can_run(machine: Machine, protection: int) -> None:
    program = seccomp.program(machine)
    for name in MAPPING:
        got = verdict(program, machine.audit, machine.numbers[name], 0, 4096, protection)
        assert got == (seccomp.REFUSE if protection & 4 else seccomp.ALLOW)


def test_fewer_calls() -> None:
    program = seccomp.program(ARM, ["read"])
    assert verdict(program, ARM.audit, ARM.numbers["read"]) == seccomp.ALLOW
    assert verdict(program, ARM.audit, ARM.numbers["write"]) == seccomp.REFUSE


def test_nothing_dangerous_is_listed() -> None:
    # open, openat, socket, connect, clone, fork, execve, kill, ptrace, process_vm_readv, bpf, ioctl
    x86 = {2, 257, 41, 42, 56, 57, 59, 62, 101, 310, 321, 16}
    generic = {56, 198, 203, 220, 221, 129, 117, 270, 280, 29}
    assert not x86 & set(X86.numbers.values())
    assert not generic & set(ARM.numbers.values())
