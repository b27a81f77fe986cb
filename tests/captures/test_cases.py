"""The cases of field reports, which are beside the project (../shared/cases) and bring their own check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")
CHECK = CAPTURES.parent / "cases" / "check.py"


@pytest.mark.skipif(not CHECK.exists(), reason=f"{CHECK} is not there")
def test_no_case_is_wrong() -> None:
    command = Path(sys.executable).with_name("fwhelpers")
    environment = {**os.environ, "FWHELPERS": str(command)}
    done = subprocess.run(
        [sys.executable, str(CHECK)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "0 wrong", done.stdout + done.stderr
