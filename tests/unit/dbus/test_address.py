"""The address of the system bus and the check that it can be reached."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from fwhelpers.dbus.address import SYSTEM_BUS, check_reachable, system_bus_address, unavailable
from fwhelpers.dbus.errors import NoBus


def test_the_environment_overrides_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/x")
    assert system_bus_address() == "unix:path=/x"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
    assert system_bus_address() == SYSTEM_BUS


def test_a_missing_socket_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoBus, match="No such file") as caught:
        check_reachable(f"unix:path={tmp_path}/none,guid=abc")
    assert caught.value.errno == errno.ENOENT
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert isinstance(unavailable(), NoBus)


def test_a_socket_without_a_listener_is_reported(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        check_reachable(f"unix:path={tmp_path}/bus")
    with pytest.raises(NoBus, match="refused") as caught:
        check_reachable(f"unix:path={tmp_path}/bus")
    assert caught.value.errno == errno.ECONNREFUSED


def test_other_transports_are_not_checked() -> None:
    check_reachable("unix:abstract=/x")
    check_reachable("tcp:host=localhost,port=1")
