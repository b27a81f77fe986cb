"""Objects with their properties, and the signals that lead from one state to another."""

from __future__ import annotations

from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.fields import Typed
from fwhelpers.dbus.introspection import all_interfaces
from fwhelpers.dbus.service.objects import Tree, changes, children, tree

ALL = all_interfaces()


class State:
    """The part of `control.Control` that objects are computed from."""

    def __init__(self, *helpers: str, **worker: Any) -> None:
        self._helpers, self._worker = helpers, worker

    def summary(self) -> dict[str, Any]:
        return {"version": "1", "enabled": self._helpers, "problems": {}, "steering": "rules",
                "fail_mode": "open"}  # fmt: skip

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


def make_tree(*helpers: str, **worker: Any) -> Tree:
    return tree(State(*helpers, **worker), ALL)  # type: ignore[arg-type]


def signals(old: Tree, new: Tree) -> list[tuple[str, str, Any]]:
    return [(path, member, body) for path, _, member, _, body in changes(old, new, ALL)]


def test_every_property_of_the_interfaces_has_a_value() -> None:
    for interfaces in make_tree("ftp").values():
        for name, properties in interfaces.items():
            assert properties.keys() == ALL[name].properties.keys()
            for key, value in properties.items():
                assert value.signature == ALL[name].properties[key].type
    assert make_tree()[names.worker_path(1000)][names.WORKER]["Pid"] == Typed("u", 0)


def test_no_change_no_signal() -> None:
    assert signals(make_tree("ftp"), make_tree("ftp")) == []


def test_counters_change_without_a_signal() -> None:
    assert signals(make_tree("ftp"), make_tree("ftp", packets=5)) == []


def test_a_restarted_worker_changes_its_properties() -> None:
    body = [names.WORKER, {"Pid": Typed("u", 7), "Restarts": Typed("t", 1)}, []]
    expected = [(names.worker_path(1000), "PropertiesChanged", body)]
    assert signals(make_tree(), make_tree(pid=7, restarts=1)) == expected


def test_added_and_removed_helpers() -> None:
    removed, added, manager = signals(make_tree("ftp"), make_tree("rpc"))
    assert removed == (
        names.PATH, "InterfacesRemoved", [names.helper_path("ftp"), [names.HELPER]],
    )  # fmt: skip
    assert added[:2] == (names.PATH, "InterfacesAdded")
    assert added[2][0] == names.helper_path("rpc")
    assert manager == (
        names.PATH, "PropertiesChanged",
        [names.MANAGER, {"EnabledHelpers": Typed("as", ["rpc"])}, []],
    )  # fmt: skip


def test_children_of_paths() -> None:
    paths = make_tree("ftp", "rpc")
    assert children(paths, "/") == ["io"]
    assert children(paths, names.PATH) == ["helpers", "workers"]
    assert children(paths, f"{names.PATH}/helpers") == ["ftp", "rpc"]
    assert children(paths, f"{names.PATH}/helpers/ftp") == []
    assert children(paths, "/org") == []
