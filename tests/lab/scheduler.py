"""Which machine runs which tests: a directory that all of them see, in which making one decides."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest


def group(item: pytest.Item) -> str:
    """What goes to one machine: a test, or all of a file's that share something they set up."""
    shared = (
        definition.scope != "function"
        for name, found in item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
        for definition in found[-1:]
        if definition.baseid.startswith("tests/vm/test_")
    )
    return item.path.name if any(shared) else re.sub(r"[^\w.-]", "-", item.nodeid)


class Claims:
    """`number`: the machine that claims, of `count`."""

    GUEST: ClassVar[str] = "/run/fwclaims"  #: where a VM sees the directory

    def __init__(self, directory: Path, number: int, count: int) -> None:
        self.directory = directory
        self.number = number
        self.count = count

    @classmethod
    def inside(cls) -> Claims | None:
        """Those of this run, in a VM that shares its tests with others; None in one that runs them all."""
        directory = os.environ.get("FWHELPERS_CLAIMS")
        if not directory:
            return None
        number, count = os.environ["FWHELPERS_MACHINE"].split("/")
        return cls(Path(directory), int(number), int(count))

    @property
    def environment(self) -> list[str]:
        """What lets the machine find them."""
        return [f"FWHELPERS_CLAIMS={self.GUEST}", f"FWHELPERS_MACHINE={self.number}/{self.count}"]

    def clear(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    def order(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Each machine begins somewhere else, and takes what is left of the others' after its own."""
        groups: dict[str, list[pytest.Item]] = {}
        for item in items:
            groups.setdefault(group(item), []).append(item)
        names = list(groups)
        first = len(names) * self.number // self.count
        return [item for name in names[first:] + names[:first] for item in groups[name]]

    def claim(self, name: str) -> bool:
        """Whether this machine is the one to run the group."""
        with suppress(FileExistsError):
            (self.directory / name).mkdir()
            (self.directory / name / str(self.number)).touch()
        return self.owner(name) == self.number

    def owner(self, name: str) -> int | None:
        """The machine that has claimed it."""
        with suppress(FileNotFoundError):
            for number in os.listdir(self.directory / name):
                return int(number)
        return None
