"""Is there a bus?"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fwhelpers.dbus.address import SYSTEM_BUS, Disconnected, reachable, system_bus


def test_the_environment_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/x")
    assert system_bus() == "unix:path=/x"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
    assert system_bus() == SYSTEM_BUS


def test_none_there(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match="No such file"):
        reachable(f"unix:path={tmp_path}/none,guid=abc")


def test_one_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        reachable(f"unix:path={tmp_path}/bus")
    with pytest.raises(Disconnected, match="refused"):
        reachable(f"unix:path={tmp_path}/bus")


def test_other_kinds_are_tried_by_the_library() -> None:
    reachable("unix:abstract=/x")
    reachable("tcp:host=localhost,port=1")
