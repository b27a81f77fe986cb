#!/bin/bash
# Title: dbus-fast 1.84 drops annotations when it parses and prints introspection data.
# Version: dbus-fast 1.84.2 (Debian 12's), 5.2.0
# Guess: Node.parse(xml).tostring() keeps EmitsChangedSignal and Deprecated.
# Seen: 1.84.2 drops them, 5.2.0 keeps them (2026-11-28).
# Here: the service sends its own XML files, not the library's output.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
cat >"$work/annotations.py" <<'END'
from dbus_fast.introspection import Node

XML = """<node><interface name="a.b"><property name="P" type="s" access="read">
<annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
</property></interface></node>"""
print("kept" if "EmitsChangedSignal" in Node.parse(XML).tostring() else "dropped")
END
outputs=""
for version in 1.84.2 5.2.0; do
    pips dbus-fast==$version
    outputs+=" $version $("$python" "$work/annotations.py")"
done
expect "annotation" " 1.84.2 dropped 5.2.0 kept" "$outputs"
finish
