"""Helpers without an installed plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.api import DatagramParser, Helper, Setting
from fwhelpers.plugin import manager as plugins
from fwhelpers.plugin.manager import Plugin, Plugins, Problem

HELPERS = {
    "foo": Helper(
        "foo", "udp", [7], DatagramParser, settings=[Setting("loose", False, "be lax")],
        spec="RFC 1", doc="the foo protocol",
    ),
    "bar": Helper("bar", ("tcp", "udp"), [8, 9], DatagramParser),
}  # fmt: skip


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plugins:
    """Two helpers and a broken plugin, without a system bus."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    good = Plugin("foo", "foo-dist", "1.0", "foo_module", "loaded", ("foo", "bar"))
    bad = Plugin("bad", "bad-dist", "2.0", "bad_module", "broken")
    available = Plugins(HELPERS, (good, bad), (Problem(bad, "cannot be imported: OSError: no"),))
    monkeypatch.setattr(plugins, "load", lambda blocked=(): available)
    return available


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    """A configuration that enables foo."""
    (tmp_path / "fwhelpers.toml").write_text("[daemon]\nworkers = 2\n[helpers.foo]\n")
    return tmp_path
