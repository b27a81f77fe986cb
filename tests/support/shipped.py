"""What is shipped, made as a distribution or a person would make it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*argv: str | Path, **options: Any) -> str:
    """Run a program to its end, give what it printed; what it complained of is in the failure."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{argv[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def need(*programs: str) -> None:
    """Skip where a program is missing; `./dev` installs them all."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} (./dev test installs it)")


def build_wheel(source: Path, folder: Path) -> Path:
    """Build a wheel of a copy: setuptools writes into its source."""
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*", "tests", "docs")
    copy = folder / source.name
    shutil.copytree(source, copy, ignore=skip)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*command, "--wheel-dir", folder, copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_venv(folder: Path, *wheels: Path) -> Path:
    """A virtual environment that sees nothing of the system, with wheels in it; gives its bin."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "--quiet", "--disable-pip-version-check", "install", *wheels)
    return folder / "bin"
