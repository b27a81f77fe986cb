"""What Debian releases have and what they lack: the tests run on several (`./dev test --release`)."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

ABSENT = Path(__file__).with_name("absent.txt")


@cache
def codename() -> str:
    """Return this machine's release; empty if it has no name."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def parse_absent(text: str, release: str) -> dict[str, str]:
    """Return the programs that a release lacks, with their packages."""
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {
        program: package
        for package, releases, *programs in rows
        if release in releases.split(",")
        for program in programs
        if not program.startswith("=")
    }


def why_absent(program: str) -> str:
    """Return why this machine's release can't have a program; empty if it can."""
    package = parse_absent(ABSENT.read_text(), codename()).get(program)
    return f"{codename()} has no package {package}" if package else ""
