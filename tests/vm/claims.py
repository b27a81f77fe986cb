"""Which machine runs which file of tests: a directory that all of them see, in which making one decides."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import ClassVar


class Claims:
    """`number`: the machine that claims."""

    GUEST: ClassVar[str] = "/run/fwclaims"  #: where a VM sees the directory

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number

    @classmethod
    def inside(cls) -> Claims | None:
        """Those of this run, in a VM that shares its tests with others; None in one that runs them all."""
        directory = os.environ.get("FWHELPERS_CLAIMS")
        return cls(Path(directory), int(os.environ["FWHELPERS_MACHINE"])) if directory else None

    def clear(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    def claim(self, file: str) -> bool:
        """Whether this machine is the one to run it."""
        with suppress(FileExistsError):
            (self.directory / file).mkdir()
            (self.directory / file / str(self.number)).touch()
        return self.owner(file) == self.number

    def owner(self, file: str) -> int | None:
        """The machine that has claimed it."""
        with suppress(FileNotFoundError):
            for name in os.listdir(self.directory / file):
                return int(name)
        return None
