"""What a process gives up, looked at from outside: in /proc, by the kernel's own account."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have something to give up")


def status(code: str) -> dict[str, str]:
    """Run code in a child; returns what /proc/self/status then says of it, and of a child of its own."""
    look = "import subprocess; print(open('/proc/self/status').read())"
    argv = [sys.executable, "-c", f"from fwhelpers.kernel import privileges\n{code}\n{look}"]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)


def mask(*numbers: int) -> str:
    return f"{sum(1 << n for n in numbers):016x}"


@root
def test_one_capability_for_this_process_alone() -> None:
    fields = status(
        "privileges.bound_capabilities([12]); privileges.limit_capabilities([12], inherited=False)"
    )
    capabilities = {
        name: fields[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")
    }
    only = mask(12)
    assert capabilities == {
        "CapEff": only,
        "CapPrm": only,
        "CapBnd": only,
        "CapInh": mask(),
        "CapAmb": mask(),
    }


@root
def test_one_capability_that_programs_inherit() -> None:
    fields = status("privileges.limit_capabilities([12], inherited=True)")
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {mask(12)}


def test_nothing_is_left_of_none() -> None:
    fields = status("privileges.limit_capabilities([], inherited=False)")
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {mask()}


def test_no_new_privileges() -> None:
    assert status("privileges.no_new_privileges()")["NoNewPrivs"] == "1"


_TRY = """
try:
    privileges.limit_capabilities([12], inherited=False)
except PermissionError as error:
    print("Said:\\t" + str(error))
"""


def test_what_is_not_there_can_not_be_kept() -> None:
    code = f"privileges.limit_capabilities([], inherited=False)\n{_TRY}"
    assert "capset" in status(code)["Said"]


_FILES = """
from fwhelpers.kernel import privileges
privileges.no_new_privileges()
version = privileges.landlock_all()
try:
    open("/etc/passwd").close()
    print(version, "opened")
except PermissionError:
    print(version, "denied")
"""


def test_landlock_where_the_kernel_has_it() -> None:
    argv = [sys.executable, "-c", _FILES]
    version, outcome = subprocess.run(
        argv, capture_output=True, text=True, check=True
    ).stdout.split()
    assert outcome == ("denied" if int(version) else "opened")


def test_a_filter_that_is_none_is_refused() -> None:
    code = "try:\n  privileges.filter_calls(b'')\nexcept OSError as e: print('Said:\\t' + str(e))"
    assert "Invalid argument" in status("privileges.no_new_privileges()\n" + code)["Said"]
