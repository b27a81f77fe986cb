"""The system calls of a worker after its start, and their numbers."""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """An architecture of seccomp (linux/audit.h: AUDIT_ARCH_*)."""

    audit: int
    numbers: dict[str, int]
    foreign: int | None = None  #: numbers from here on belong to another calling convention


#: arch/x86/entry/syscalls/syscall_64.tbl; from 0x40000000 on: x32
_X86_64 = {
    "read": 0, "write": 1, "close": 3, "poll": 7, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "sendto": 44,
    "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "exit": 60, "gettimeofday": 96, "getrusage": 98,
    "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202, "restart_syscall": 219,
    "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231, "ppoll": 271, "recvmmsg": 299,
    "sendmmsg": 307, "getrandom": 318, "membarrier": 324, "rseq": 334,
}  # fmt: skip

#: include/uapi/asm-generic/unistd.h
_GENERIC = {
    "close": 57, "read": 63, "write": 64, "readv": 65, "writev": 66, "ppoll": 73, "exit": 93, "exit_group": 94,
    "futex": 98, "nanosleep": 101, "clock_gettime": 113, "clock_nanosleep": 115, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
    "getrusage": 165, "gettimeofday": 169, "getpid": 172, "gettid": 178, "sendto": 206, "recvfrom": 207,
    "sendmsg": 211, "recvmsg": 212, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226,
    "madvise": 233, "recvmmsg": 243, "sendmmsg": 269, "getrandom": 278, "membarrier": 283, "rseq": 293,
}  # fmt: skip

#: by the machine name of uname(2)
MACHINES = {
    "x86_64": Machine(0xC000003E, _X86_64, 0x40000000),
    "aarch64": Machine(0xC00000B7, _GENERIC),
    "riscv64": Machine(0xC00000F3, _GENERIC),
    "loongarch64": Machine(0xC0000102, _GENERIC),
}

#: calls whose third argument must not make memory executable
MAPPING = ("mmap", "mprotect")
