"""Two gateways on loopback: certificates as docs/gateways.md makes them, a configuration, a process."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fwhelpers.config.model import ReplicationConfig
from fwhelpers.config.validators import SocketAddress
from fwhelpers.replication import local_table
from fwhelpers.replication.local_table import Answer

ROOT = Path(__file__).parents[2]
DEADLINE = 120.0  #: seconds; this machine may be busy


def openssl_command() -> list[str]:
    """Return the command of docs/gateways.md that makes a certificate."""
    text = (ROOT / "docs/gateways.md").read_text()
    match = re.search(r"^ +(openssl req -x509 (?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert match
    return shlex.split(match[1].replace("\\\n", " "))


def make_certificate(folder: Path) -> None:
    """Make own.crt and own.key as documented."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        openssl_command(), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder / "own.key").chmod(0o640)


class Gateway:
    """One of two: a folder with its certificate, and a process once it is started."""

    def __init__(self, folder: Path, number: int, port: int) -> None:
        self.folder = folder
        self.listen = SocketAddress(f"127.0.0.{number}", port)
        self.peer_certificate = folder / "peer.crt"
        self._process: subprocess.Popen[bytes] | None = None
        make_certificate(folder)
        self.runtime, self.table = folder / "run", folder / "table"
        self.runtime.mkdir()

    def config(self, peer: Gateway) -> ReplicationConfig:
        self.peer_certificate.write_bytes((peer.folder / "own.crt").read_bytes())
        key = self.folder / "own.key"
        return ReplicationConfig(
            self.listen, peer.listen, self.folder / "own.crt", key, self.peer_certificate
        )

    def start(self, peer: Gateway) -> None:
        config = self.config(peer)
        lines = ["[replication]", f'listen = "{config.listen}"', f'peer = "{config.peer}"']
        lines += [f'{name} = "{getattr(config, name)}"' for name in (
            "certificate", "key", "peer_certificate")]  # fmt: skip
        (self.folder / "fwhelpers.toml").write_text("\n".join(lines))
        environ = os.environ | {
            "FWHELPERS_RUNTIME": str(self.runtime),
            "FWHELPERS_REPLICATION_RUNTIME": str(self.table),
        }
        argv = [sys.executable, "-m", "fwhelpers", "replicate", "--config", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def stop(self, kill: bool = False) -> int:
        """End the process; return its status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if kill:
            process.kill()
        else:
            process.terminate()
        return process.wait(DEADLINE)

    def ask(self, mark: bool = False) -> Answer | None:
        try:
            return local_table.ask(self.table / "table", mark, DEADLINE)
        except OSError:  # it has not started yet
            return None

    def wait(self, condition: Callable[[Answer], bool]) -> Answer:
        """Return the first answer of the process that satisfies the condition."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            answer = self.ask()
            if answer is not None and condition(answer):
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{self.ask()}\n{self.log}")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()
