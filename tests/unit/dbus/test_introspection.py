"""The interface files, and the introspection data made from them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fwhelpers.dbus import names
from fwhelpers.dbus.introspection import all_interfaces, directory, introspect

FILES = Path(__file__).parents[3] / "dbus"


def test_one_file_for_each_interface() -> None:
    assert {file.name for file in directory().glob("*.xml")} == {
        file.name for file in FILES.glob("*.xml")
    }
    assert {file.stem for file in FILES.glob("*.xml")} == set(names.INTERFACES)
    for file in FILES.glob("*.xml"):
        (interface,) = ElementTree.parse(file).getroot()
        assert interface.get("name") == file.stem


@pytest.mark.parametrize("name", names.INTERFACES)
def test_members_and_arguments_follow_the_conventions(name: str) -> None:
    """d-bus/dbus doc/dbus-api-design: members in CamelCase, arguments in snake_case, all of them named."""
    (interface,) = ElementTree.parse(FILES / f"{name}.xml").getroot()
    for member in interface:
        assert re.fullmatch(r"([A-Z][a-z]+)+", member.get("name", "")), member.attrib
        for argument in member.iter("arg"):
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", argument.get("name", "")), argument.attrib


def test_signatures_are_read_from_the_files() -> None:
    manager = all_interfaces()[names.MANAGER]
    assert manager.methods["EnableHelper"].arguments == "sa{sv}"
    assert manager.methods["GetCounters"].result == "a{sa{st}}aa{sv}"
    assert manager.signals["WorkerRestarted"] == "oa{sv}"
    assert manager.properties["Version"].emits == "const"
    assert manager.properties["EnabledHelpers"].emits == "true"


def test_introspection_has_no_comments_and_all_nodes() -> None:
    text = introspect([all_interfaces()[names.WORKER]], ["helpers", "workers"])
    assert "<!--" not in text
    root = ElementTree.fromstring(text)
    assert [(e.tag, e.get("name")) for e in root] == [
        ("interface", names.WORKER), ("node", "helpers"), ("node", "workers"),
    ]  # fmt: skip


def test_the_activation_file_and_the_policies_name_the_service() -> None:
    activation = (FILES / f"{names.NAME}.service").read_text()
    assert f"\nName={names.NAME}\n" in activation
    assert f"\nSystemdService=dbus-{names.NAME}.service\n" in activation
    conf = ElementTree.parse(FILES / f"{names.NAME}.conf").getroot()
    assert {e.get("own") for e in conf.iter("allow") if e.get("own")} == {names.NAME}
    policy = ElementTree.parse(FILES / f"{names.NAME}.policy").getroot()
    actions = {action.get("id"): action for action in policy.iter("action")}
    assert set(actions) == {names.DETAILS, names.RELOAD, names.MANAGE}
    for action in actions.values():
        annotations = {a.get("key"): a.text for a in action.iter("annotate")}
        # otherwise polkit answers only root about other subjects (polkit(8))
        assert annotations["org.freedesktop.policykit.owner"] == "unix-user:fwhelpers"
        assert {d.text for d in action.iter() if d.tag.startswith("allow_")} <= {
            "auth_admin", "auth_admin_keep",
        }  # fmt: skip
