"""Confinement in a child of its own: each way out is tried, for real."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CHILD = """
import ctypes, errno, mmap, os, signal, socket, subprocess, sys, threading, time
victim = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
from fwhelpers.worker.sandbox import enter_sandbox
ours, theirs = socket.socketpair()
gaps = enter_sandbox()
print("gaps", gaps)

def raw(call, *arguments):
    if call(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

ATTEMPTS = {
    "open": lambda: open("/etc/passwd"),
    "create": lambda: open("/tmp/fwhelpers-escape", "w"),
    "stat": lambda: os.stat("/"),
    "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/tmp/fwhelpers-escape"),
    "socket": lambda: socket.socket(socket.AF_INET),
    "netlink": lambda: socket.socket(16, socket.SOCK_RAW, 12),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "pair": socket.socketpair,
    "dup": lambda: os.dup(0),
    "pipe": os.pipe,
    "memfd": lambda: os.memfd_create("x"),
    "fork": os.fork,
    "thread": lambda: threading.Thread(target=print).start(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "run": lambda: subprocess.run(["true"]),
    "kill": lambda: os.kill(victim, signal.SIGTERM),
    "ptrace": lambda: raw(libc.ptrace, 16, victim, None, None),
    "memory of another": lambda: raw(libc.process_vm_readv, victim, None, 0, None, 0, 0),
    "user": lambda: os.setuid(0),
    "capabilities": lambda: raw(libc.prctl, 47, 2, 12, 0, 0),
    "unshare": lambda: raw(libc.unshare, 0x10000000),
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "import": lambda: __import__("this"),
    "receive a descriptor": lambda: os.open("/proc/self/mem", os.O_RDWR),
    "memory": lambda: bytearray(2 << 30),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        print(name, "DONE")
    except (OSError, RuntimeError, ImportError, MemoryError) as error:
        print(name, type(error).__name__)
# and what a worker does all the time
ours.send(b"x")
assert theirs.recv(9) == b"x"
assert len(bytearray(64 << 20)) == 64 << 20
time.sleep(0.001)
os.write(1, b"works\\n")
"""


@pytest.fixture(scope="module")
def report() -> list[str]:
    argv = [sys.executable, "-u", "-c", _CHILD]  # its last line bypasses print
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_attempt_to_leave_the_sandbox_fails(report: list[str]) -> None:
    tried = [line for line in report if not line.startswith(("gaps", "works"))]
    assert len(tried) == 26
    assert [line for line in tried if line.endswith("DONE")] == []


def test_the_worker_s_own_calls_succeed(report: list[str]) -> None:
    assert report[-1] == "works"


def test_limits_capabilities_and_filter_are_never_gaps(report: list[str]) -> None:
    gaps = report[0].removeprefix("gaps ")
    assert not [
        step for step in ("limits", "capabilities", "no_new_privs", "seccomp") if step in gaps
    ]


_FOREIGN = """
import ctypes, os
from fwhelpers.worker.sandbox import enter_sandbox
enter_sandbox()
ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))
"""


@pytest.mark.skipif("__import__('platform').machine() != 'x86_64'", reason="x32 is x86_64's")
def test_another_calling_convention_kills_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", _FOREIGN], check=False, timeout=60)
    assert done.returncode == -31  # SIGSYS
