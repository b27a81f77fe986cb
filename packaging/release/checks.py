"""What must be true of a tree before it is released."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

#: place → pattern of the version in it; the first place has the version, the others repeat it
PLACES = {
    "fwhelpers/__init__.py": r'^__version__ = "([^"]+)"$',
    "CHANGELOG.md": r"\A# .*\n+## (\S+)",
    "packaging/debian/changelog": r"\A\S+ \(([^)]+?)-[^-)]+\) ",
    "packaging/rpm/fwhelpers.spec": r"^Version: +(\S+)$",
    "packaging/rpm/fwhelpers.spec, %changelog": r"^%changelog\n\* .* - (\S+)-\S+$",
}


class Refusal(Exception):
    """There is no release; the text is one line that says why."""


def versions(root: Path) -> dict[str, str]:
    """Return the version that each of PLACES names; "none" where there is none."""
    places = {}
    for place, pattern in PLACES.items():
        text = (root / place.split(",")[0]).read_text("utf-8")
        match = re.search(pattern, text, re.MULTILINE)
        places[place] = match[1] if match else "none"
    return places


def check_versions(root: Path) -> str:
    """Return the version of a tree.

    Raises:
        Refusal: two places name different ones
    """
    (source, version), *others = versions(root).items()
    differing = [f"{place} has {other}" for place, other in others if other != version]
    if differing:
        raise Refusal(f"{source} has version {version}, but {', '.join(differing)}")
    return version


def check_changelog(root: Path, version: str) -> None:
    """Check that CHANGELOG.md has an entry `## VERSION — YYYY-MM-DD` with a text.

    Raises:
        Refusal: there is none, or it has no date or no text
    """
    text = (root / "CHANGELOG.md").read_text("utf-8")
    match = re.search(rf"^## {re.escape(version)}((?: .*)?)$([^#]*)", text, re.MULTILINE)
    if match is None:
        raise Refusal(f"CHANGELOG.md has no entry for {version}")
    if not re.fullmatch(r" — \d{4}-\d\d-\d\d", match[1]):
        raise Refusal(
            f"the entry for {version} in CHANGELOG.md has no date (## {version} — YYYY-MM-DD)"
        )
    if not match[2].strip():
        raise Refusal(f"the entry for {version} in CHANGELOG.md is empty")


def git(root: Path, *arguments: str) -> str:
    """Return what git prints.

    Raises:
        Refusal: git fails, with the first line of its complaint
    """
    argv = ["git", "-C", str(root), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Refusal(f"git {arguments[0]} failed: {complaint[0]}")
    return done.stdout


def check_clean(root: Path) -> None:
    """Check that the tree is a git checkout whose files are those of its commit.

    Raises:
        Refusal: files are changed, or are new and not ignored
    """
    lines = git(root, "status", "--porcelain").splitlines()
    if lines:
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        raise Refusal(f"the tree has uncommitted changes: {lines[0][3:]}{more}")


def check(root: Path) -> str:
    """Return the version of a tree that can be released.

    Raises:
        Refusal: it cannot
    """
    version = versions(root)["fwhelpers/__init__.py"]
    check_changelog(root, version)
    check_versions(root)
    check_clean(root)
    return version
