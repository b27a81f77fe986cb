"""Objects and their properties, and the signals between two states."""

from __future__ import annotations

from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.fields import Typed
from fwhelpers.dbus.introspection import all_interfaces
from fwhelpers.dbus.service.objects import Tree, changes, children, tree

ALL = all_interfaces()


class State:
    """As much of `control.Control` as objects are made of."""

    def __init__(self, *helpers: str, **worker: Any) -> None:
        self._helpers, self._worker = helpers, worker

    def summary(self) -> dict[str, Any]:
        return {"version": "1", "enabled": self._helpers, "problems": {}, "steering": "rules",
                "fail": "open"}  # fmt: skip

    def helpers(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "kernel_name": f"fw-{name}", "description": "", "plugin": "p",
             "enabled": True, "registered": True, "problem": "", "transports": ("tcp",),
             "ports": (21,), "counters": {"expected": self._worker.get("packets", 0)}}
            for name in self._helpers
        ]  # fmt: skip

    def workers(self) -> list[dict[str, Any]]:
        return [{"queue": 1000, "pid": None, "ready": True, "restarts": 0, "packets": 0,
                 "overflows": 0, **self._worker}]  # fmt: skip


def made(*helpers: str, **worker: Any) -> Tree:
    return tree(State(*helpers, **worker), ALL)  # type: ignore[arg-type]


def signals(old: Tree, new: Tree) -> list[tuple[str, str, Any]]:
    return [(path, member, body) for path, _, member, _, body in changes(old, new, ALL)]


def test_every_property_of_the_interfaces_has_a_value() -> None:
    for interfaces in made("ftp").values():
        for name, properties in interfaces.items():
            assert properties.keys() == ALL[name].properties.keys()
            for key, value in properties.items():
                assert value.signature == ALL[name].properties[key].type
    assert made()[names.worker_path(1000)][names.WORKER]["Pid"] == Typed("u", 0)


def test_nothing_changed_nothing_said() -> None:
    assert signals(made("ftp"), made("ftp")) == []


def test_counters_change_in_silence() -> None:
    assert signals(made("ftp"), made("ftp", packets=5)) == []


def test_a_worker_s_new_process() -> None:
    body = [names.WORKER, {"Pid": Typed("u", 7), "Restarts": Typed("t", 1)}, []]
    expected = [(names.worker_path(1000), "PropertiesChanged", body)]
    assert signals(made(), made(pid=7, restarts=1)) == expected


def test_helpers_come_and_go() -> None:
    gone, come, manager = signals(made("ftp"), made("rpc"))
    assert gone == (
        names.PATH, "InterfacesRemoved", [names.helper_path("ftp"), [names.HELPER]],
    )  # fmt: skip
    assert come[:2] == (names.PATH, "InterfacesAdded")
    assert come[2][0] == names.helper_path("rpc")
    assert manager == (
        names.PATH, "PropertiesChanged",
        [names.MANAGER, {"EnabledHelpers": Typed("as", ["rpc"])}, []],
    )  # fmt: skip


def test_children() -> None:
    there = made("ftp", "rpc")
    assert children(there, "/") == ["io"]
    assert children(there, names.PATH) == ["helpers", "workers"]
    assert children(there, f"{names.PATH}/helpers") == ["ftp", "rpc"]
    assert children(there, f"{names.PATH}/helpers/ftp") == []
    assert children(there, "/org") == []
