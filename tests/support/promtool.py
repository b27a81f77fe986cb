"""promtool of the package prometheus: installed, or unpacked by `./dev test`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / "build/unpacked/prometheus/usr/bin/promtool"


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool. Without it the test is skipped, in CI it fails."""
    program = shutil.which("promtool") or shutil.which(UNPACKED)
    if program is None:
        reason = "no promtool (apt-get install prometheus, or ./dev test)"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    argv = [program, *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
