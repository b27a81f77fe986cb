from __future__ import annotations

import array
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from fwhelpers.daemon import systemd
from fwhelpers.daemon.systemd import FdStore, Notifier


class Manager:
    """Our service manager: a socket that takes what we say, and the descriptors with it."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)
        self.sock.setblocking(False)
        self.kept: dict[str, int] = {}

    def heard(self) -> list[dict[str, str]]:
        messages = []
        while True:
            try:
                data, rights, _, _ = self.sock.recvmsg(4096, 1024)
            except BlockingIOError:
                return messages
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            for _, _, raw in rights:
                (fd,) = array.array("i", raw)
                self.kept[message["FDNAME"]] = fd
            messages.append(message)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    address = (
        str(tmp_path / "notify") if request.param == "path" else f"@fwhelpers-test-{os.getpid()}"
    )
    manager = Manager(address)
    yield manager, {"NOTIFY_SOCKET": address, "FDSTORE": "8"}
    manager.sock.close()
    for fd in manager.kept.values():
        os.close(fd)


def close(notifier: Notifier) -> None:
    assert notifier._sock is not None
    notifier._sock.close()


def test_every_state_is_notified(manager: tuple[Manager, dict[str, str]]) -> None:
    systemd, environ = manager
    notifier = Notifier(environ)
    notifier.reloading()
    notifier.ready("ftp; 2 workers")
    notifier.ping_watchdog()
    notifier.stopping()
    reloading, *rest = systemd.heard()
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert rest == [
        {"READY": "1", "STATUS": "ftp; 2 workers"},
        {"WATCHDOG": "1"},
        {"STOPPING": "1", "STATUS": "stopping"},
    ]
    assert "NOTIFY_SOCKET" not in environ, "a worker could speak for the service"
    close(notifier)


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("")
    assert notifier.watchdog_timeout == 0
    store = FdStore(notifier, {"FDSTORE": "8"})
    store.store("queue-1", 0)
    store.drop("queue-1")
    assert store.pop("queue-1") is None


def test_systemd_that_does_not_listen_is_no_error(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    systemd = Manager(address)
    notifier = Notifier({"NOTIFY_SOCKET": address})
    systemd.sock.close()
    assert not notifier.send("READY=1")
    close(notifier)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "", 30.0),
        ("500000", str(os.getpid()), 0.5),
        ("500000", "1", 0.0),
        ("", "", 0.0),
        ("-5", "", 0.0),
    ],
)
def test_the_watchdog_s_timeout_is_for_our_process(usec: str, pid: str, seconds: float) -> None:
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog_timeout == seconds


def test_a_stored_descriptor_stays_open(manager: tuple[Manager, dict[str, str]]) -> None:
    systemd, environ = manager
    notifier = Notifier(environ)
    store = FdStore(notifier, environ)
    read, write = os.pipe()
    store.store("table", write)
    store.store("table", write)
    os.close(write)
    stored = [m for m in systemd.heard() if "FDSTORE" in m]
    assert stored == [{"FDSTORE": "1", "FDNAME": "table", "FDPOLL": "0"}]
    os.write(systemd.kept["table"], b"still")
    assert os.read(read, 9) == b"still"
    os.close(read)
    store.drop("table")
    store.drop("table")
    assert systemd.heard() == [{"FDSTOREREMOVE": "1", "FDNAME": "table"}]
    close(notifier)


def test_nothing_is_stored_without_a_descriptor_store(
    manager: tuple[Manager, dict[str, str]],
) -> None:
    systemd, environ = manager
    del environ["FDSTORE"]
    notifier = Notifier(environ)
    store = FdStore(notifier, environ)
    store.store("table", 0)
    assert not store.available
    assert systemd.heard() == []
    close(notifier)


_HEIR = """
import os, stat
from fwhelpers.daemon.systemd import FdStore, Notifier
os.environ["LISTEN_PID"] = str(os.getpid() + {other})
store = FdStore(Notifier(os.environ), os.environ)
print(store.names(), "LISTEN_FDS" in os.environ)
fd = store.pop("table")
print(fd, fd and os.get_inheritable(fd), fd and stat.S_ISFIFO(os.fstat(fd).st_mode), store.pop("table"))
store.drop_all()
print(store.names(), [n for n in (3, 4, 5) if os.path.exists(f"/proc/self/fd/{{n}}")])
"""


def heir(other: int) -> list[str]:
    """What a process finds that was started with three descriptors from 3 on, meant for it or for another."""
    import sys

    code = _HEIR.format(other=other)
    shell = 'exec 3<>/dev/null 4> >(cat) 5<>/dev/null; exec "$0" -c "$1"'
    environ = {**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "queue-1000:table:queue-1000"}
    argv = ["bash", "-c", shell, sys.executable, code]
    return subprocess.run(
        argv, env=environ, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_a_successor_pops_the_stored_descriptors() -> None:
    remaining, taken, rest = heir(0)
    assert remaining == "['queue-1000', 'table'] False"
    assert taken == "4 False True None"
    assert rest == "[] [4]", "the taken one is the taker's, the double and the rest are closed"


def test_descriptors_for_another_process_are_not_ours() -> None:
    remaining, taken, _ = heir(1)
    assert remaining == "[] False"
    assert taken == "None None None None"


def systemctl(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("says", "restarts"),
    [
        ("echo '71 fwhelpers.service restart running'", True),
        ("echo '71 fwhelpers.service stop running'", False),
        ("echo '71 fwhelpers.service.d restart running'", False),
        ("true", False),  # killed by hand: nobody starts us again
        ("echo no bus >&2; exit 1", True),
    ],
)
def test_a_restart_is_distinguished_from_a_stop(
    says: str, restarts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl(tmp_path / "systemctl", says)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert systemd.is_restarting() is restarts


def test_without_systemctl_a_restart_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert systemd.is_restarting()
