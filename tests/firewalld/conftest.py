"""The real firewalld in a namespace of its own, on whatever kernel runs: what it says, without traffic."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from lab.firewalld import Firewalld
from lab.namespace import Namespace
from lab.process import LabError, Process, run


class Bare:
    """A lab of one namespace, g, with two interfaces."""

    def __init__(self, logs: Path) -> None:
        self.namespaces = {"g": Namespace("fwhelpers-test", logs)}
        self.namespaces["g"].wait_ready()

    def run(self, ns: str, *argv: str, **options: Any) -> CompletedProcess[str]:
        return self.namespaces[ns].run(*argv, **options)

    def popen(self, ns: str, *argv: str, **options: Any) -> Process:
        return self.namespaces[ns].popen(*argv, **options)


@pytest.fixture(scope="module")
def firewalld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewalld]:
    if os.geteuid() != 0:
        pytest.skip("needs root, for a namespace")
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [p for p in ("firewalld", "dbus-daemon", "nft") if not shutil.which(p, path=path)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    lab = Bare(tmp_path_factory.mktemp("firewalld"))
    space = lab.namespaces["g"]
    try:
        try:
            lab.run("g", "nft", "add table inet probe")
        except LabError as error:
            pytest.skip(f"no nftables here: {error}")
        run(["ip", "link", "add", "lan", "netns", str(space.pid), "type", "veth", "peer", "name", "wan",
             "netns", str(space.pid)])  # fmt: skip
        service = Firewalld(lab)  # type: ignore[arg-type]
        service.start()
        yield service
    finally:
        for process in reversed(space.processes):
            process.stop(20.0)
        space._holder.kill()
