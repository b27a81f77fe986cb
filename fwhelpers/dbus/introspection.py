"""Reads the interface definitions (dbus/*.xml): signatures for dispatch, and introspection data.

The XML files are the only definition. An installation has them in `xml` beside this module, a
source tree in its top-level folder `dbus`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fwhelpers.dbus import names

_DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)
_EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


@dataclass(frozen=True, slots=True)
class Method:
    """The signatures of a method's arguments and of its result."""

    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class Property:
    """A property's type; `emits` is its EmitsChangedSignal: "true", "const" or "false"."""

    type: str
    emits: str = "true"


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface; `text` is its XML element."""

    name: str
    text: str
    methods: Mapping[str, Method] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Property] = field(default_factory=dict)


STANDARD = """
<node>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg name="machine_uuid" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg name="data" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg name="interface" type="s" direction="in"/>
      <arg name="property" type="s" direction="in"/>
      <arg name="value" type="v" direction="out"/>
    </method>
    <method name="GetAll">
      <arg name="interface" type="s" direction="in"/>
      <arg name="properties" type="a{sv}" direction="out"/>
    </method>
    <method name="Set">
      <arg name="interface" type="s" direction="in"/>
      <arg name="property" type="s" direction="in"/>
      <arg name="value" type="v" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg name="interface" type="s"/>
      <arg name="changed_properties" type="a{sv}"/>
      <arg name="invalidated_properties" type="as"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects">
      <arg name="objects" type="a{oa{sa{sv}}}" direction="out"/>
    </method>
    <signal name="InterfacesAdded">
      <arg name="object" type="o"/>
      <arg name="interfaces" type="a{sa{sv}}"/>
    </signal>
    <signal name="InterfacesRemoved">
      <arg name="object" type="o"/>
      <arg name="interfaces" type="as"/>
    </signal>
  </interface>
</node>
"""


def directory() -> Path:
    """Return the folder of the files. Raises FileNotFoundError if they are not installed."""
    parents = Path(__file__).parents
    for candidate in (parents[0] / "xml", parents[2] / "dbus"):
        if (candidate / f"{names.MANAGER}.xml").exists():
            return candidate
    raise FileNotFoundError("the D-Bus interface files are not installed (dbus/*.xml)")


@cache
def all_interfaces() -> Mapping[str, Interface]:
    """Return our interfaces and the standard ones, by name. Raises FileNotFoundError."""
    texts = [STANDARD]
    texts += [(directory() / f"{name}.xml").read_text() for name in names.INTERFACES]
    return {interface.name: interface for text in texts for interface in parse(text)}


def parse(text: str) -> Iterable[Interface]:
    """Parse the interfaces of a file."""
    for element in ElementTree.fromstring(text):  # noqa: S314 - our own files
        yield Interface(
            element.get("name", ""),
            _text(element),
            {
                m.get("name", ""): Method(_args(m, "in"), _args(m, "out"))
                for m in element.iter("method")
            },
            {s.get("name", ""): _args(s, None) for s in element.iter("signal")},
            {p.get("name", ""): _property(p) for p in element.iter("property")},
        )


def introspect(interfaces: Iterable[Interface], children: Iterable[str] = ()) -> str:
    """Return an object's introspection data."""
    nodes = "".join(f'  <node name="{child}"/>\n' for child in children)
    return f"{_DOCTYPE}<node>\n{''.join(i.text for i in interfaces)}{nodes}</node>\n"


def _text(element: ElementTree.Element) -> str:
    text = ElementTree.tostring(element, encoding="unicode")
    return "  " + re.sub(r"\s*<!--.*?-->", "", text, flags=re.S).strip() + "\n"


def _args(element: ElementTree.Element, direction: str | None) -> str:
    arguments = [a for a in element.iter("arg") if a.get("direction") == direction]
    return "".join(a.get("type", "") for a in arguments)


def _property(element: ElementTree.Element) -> Property:
    annotations = {a.get("name"): a.get("value", "") for a in element.iter("annotation")}
    return Property(element.get("type", ""), annotations.get(_EMITS, "true"))
