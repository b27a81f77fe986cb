"""Stepping down, in a child; seen in /proc. Needs root, or there is nothing to step down from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to step down from")

_TEST = """
import os, pwd, sys
from pathlib import Path
from types import SimpleNamespace
from fwhelpers.daemon import privileges
account = {account}
if account:
    privileges._account = lambda: SimpleNamespace(pw_uid=65534, pw_gid=65534)
print(privileges.drop_privileges(Path(sys.argv[1])), flush=True)
os.execvp("cat", ["cat", "/proc/self/status"])
"""


def step_down(owned: Path, account: bool) -> dict[str, str]:
    """What a program looks like that is started after stepping down."""
    argv = [sys.executable, "-c", _TEST.format(account=account), str(owned)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    user, *lines = done.stdout.splitlines()
    return {"user": user, **dict(line.split(":\t", 1) for line in lines)}


@pytest.mark.parametrize(("account", "uid", "user"), [(True, 65534, "nobody"), (False, 0, "root")])
def test_one_capability_and_no_more(account: bool, uid: int, user: str, tmp_path: Path) -> None:
    status_lines = step_down(tmp_path, account)
    assert status_lines["user"] == user
    assert set(status_lines["Uid"].split()) == set(status_lines["Gid"].split()) == {str(uid)}
    assert {status_lines[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        f"{1 << 12:016x}"
    }
    assert status_lines["NoNewPrivs"] == "1"
    assert tmp_path.stat().st_uid == uid
    if account:
        assert status_lines["Groups"].split() == []
