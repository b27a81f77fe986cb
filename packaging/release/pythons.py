"""The Pythons that are there, and virtual environments with the packages of a release."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from release.build import DISTRIBUTION, HERE, run
from release.checks import Refusal

#: prints the version of a Python that can make virtual environments and compile modules
PROBE = (
    "import ensurepip, os, sys, sysconfig, venv; "
    "assert os.path.exists(sysconfig.get_path('include') + '/Python.h'); "
    "print(*sys.version_info[:2])"
)
OLDEST = (3, 11)


def find() -> list[str]:
    """Return one Python for each version, with its headers: the distribution's first.

    Raises:
        Refusal: there is none, or that of the Debian packages is not among them
    """
    interpreters: dict[tuple[int, ...], str] = {}
    names = (str(DISTRIBUTION), "python3", *(f"python3.{minor}" for minor in range(11, 20)))
    for path in filter(None, map(shutil.which, names)):
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
        version = tuple(map(int, probe.stdout.split()))
        if probe.returncode == 0 and version >= OLDEST:
            interpreters.setdefault(version, path)
    if str(DISTRIBUTION) not in interpreters.values():
        raise Refusal(
            f"{DISTRIBUTION} is no Python 3.11 or later with venv and headers (python3-dev)"
        )
    return list(interpreters.values())


def tag(python: str) -> str:
    """Return how the wheels of a Python are called: cp311."""
    command = [python, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def make_tools(python: str, folder: Path) -> Path:
    """Make a virtual environment with what builds and describes a release."""
    _make(python, folder)
    _install(folder / "bin/python", folder, "tools.txt", "runtime.txt")
    return folder


def make_runtime(python: str, folder: Path, tools: Path) -> Path:
    """Make a virtual environment with what fwhelpers requires, without pip."""
    _make(python, folder, "--without-pip")
    _install(tools / "bin/python", folder, "runtime.txt")
    return folder


def check_wheel(wheel: Path, python: str, folder: Path, expected: str) -> None:
    """Install a wheel as a person does, and see what it calls itself.

    Raises:
        Refusal: it cannot be installed, or `fwhelpers --version` does not print `expected`
    """
    _make(python, folder)
    _install(folder / "bin/python", folder, "runtime.txt")
    pip = [str(folder / "bin/pip"), "install", "--no-index", str(wheel)]
    run(pip, folder / "pip-install.log")
    command = [str(folder / "bin/fwhelpers"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stdout.strip() != expected:
        raise Refusal(f"{wheel.name} is {done.stdout.strip() or done.stderr!r}, not {expected!r}")


def _make(python: str, folder: Path, *options: str) -> None:
    folder.mkdir(parents=True)
    run([python, "-m", "venv", *options, str(folder)], folder / "make-venv.log")


def _install(python: Path, folder: Path, *locks: str) -> None:
    """Install the packages of lock files into `folder` by the pip of `python`."""
    files = [word for lock in locks for word in ("-r", str(HERE / lock))]
    pip = [str(python), "-m", "pip", "--python", str(folder / "bin/python"), "install"]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run([*pip, "--require-hashes", *files], folder / "pip-locked.log", env=environment)
