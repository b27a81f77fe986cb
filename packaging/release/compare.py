"""Compare the files of two builds, and name them with their checksums."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder, by name, in the order of the names."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def differing(first: Path, second: Path) -> list[str]:
    """Return the names of the files that are not the same in both folders, or only in one."""
    first_sums, second_sums = checksums(first), checksums(second)
    return sorted(
        name for name in first_sums | second_sums if first_sums.get(name) != second_sums.get(name)
    )


def sums(folder: Path) -> str:
    """Return the text of SHA256SUMS, as sha256sum writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in checksums(folder).items())
