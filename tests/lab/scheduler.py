"""Distribution of tests to machines: a machine claims a group of tests by creating its directory."""

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
    """Return the name of a test's group: the test, or its file if its tests share a fixture."""
    shared = (
        definition.scope != "function"
        for name, definitions in item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
        for definition in definitions[-1:]
        if definition.baseid.startswith("tests/vm/test_")
    )
    return item.path.name if any(shared) else re.sub(r"[^\w.-]", "-", item.nodeid)


class Claims:
    """The claims of machine `number` of `count`."""

    GUEST: ClassVar[str] = "/run/fwclaims"  #: the directory's path in the VM

    def __init__(self, directory: Path, number: int, count: int) -> None:
        self.directory = directory
        self.number = number
        self.count = count

    @classmethod
    def inside(cls) -> Claims | None:
        """Return the claims of the VM in which this code runs; None if it is the only one."""
        directory = os.environ.get("FWHELPERS_CLAIMS")
        if not directory:
            return None
        number, count = os.environ["FWHELPERS_MACHINE"].split("/")
        return cls(Path(directory), int(number), int(count))

    @property
    def environment(self) -> list[str]:
        """The environment variables that `inside` reads."""
        return [f"FWHELPERS_CLAIMS={self.GUEST}", f"FWHELPERS_MACHINE={self.number}/{self.count}"]

    def clear(self) -> None:
        """Remove all claims."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    def order(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Return the groups in this machine's order: each machine starts at another group."""
        groups: dict[str, list[pytest.Item]] = {}
        for item in items:
            groups.setdefault(group(item), []).append(item)
        names = list(groups)
        first = len(names) * self.number // self.count
        return [item for name in names[first:] + names[:first] for item in groups[name]]

    def claim(self, name: str) -> bool:
        """Claim a group; return whether this machine has it."""
        with suppress(FileExistsError):
            (self.directory / name).mkdir()
            (self.directory / name / str(self.number)).touch()
        return self.owner(name) == self.number

    def owner(self, name: str) -> int | None:
        """Return the machine that claimed a group."""
        with suppress(FileNotFoundError):
            for number in os.listdir(self.directory / name):
                return int(number)
        return None
