"""The numbers, compared with the kernel's own headers (Debian: linux-libc-dev)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fwhelpers.kernel.syscalls import MACHINES, MAPPING

HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
_DEFINE = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", re.MULTILINE)


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"no {header} here")
    real = {name: int(number) for name, number in _DEFINE.findall(header.read_text())}
    assert {n: real.get(n) for n in MACHINES[machine].numbers} == MACHINES[machine].numbers


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_looked_into_is_there(machine: str) -> None:
    assert set(MAPPING) <= set(MACHINES[machine].numbers)
