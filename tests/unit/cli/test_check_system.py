"""Missing packages and modules of the distribution are reported with a hint."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from fwhelpers.cli import check_system
from fwhelpers.kernel.probe import Finding
from fwhelpers.registration.kernel_modules import MODULES

RELEASE = "6.1.0-test"


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A root directory where nothing is missing; tests remove something."""
    folder = tmp_path / "lib/modules" / RELEASE
    folder.mkdir(parents=True)
    listed = [
        f"kernel/net/netfilter/{name.replace('nft_', 'nft-')}.ko.xz: x.ko" for name in MODULES
    ]
    (folder / "modules.dep").write_text("\n".join(listed) + "\n")
    monkeypatch.setattr(check_system, "find_spec", lambda name: object())
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    return tmp_path


def failed(root: Path) -> list[Finding]:
    return [finding for finding in check_system.findings(RELEASE, root) if not finding.ok]


def test_a_complete_system_passes(everything: Path) -> None:
    assert failed(everything) == []
    *_, last = check_system.findings(RELEASE, everything)
    assert all(name in last.detail for name in MODULES)


def test_a_missing_binding_is_reported(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        check_system, "find_spec", lambda name: None if name == "nftables" else object()
    )
    (only,) = failed(everything)
    assert only.name == "Python binding of nftables"
    assert "apt install python3-nftables" in only.hint
    assert "dnf install python3-nftables" in only.hint


@pytest.mark.parametrize("place", ["python3/dist-packages", "python3.13/site-packages"])
def test_a_binding_hidden_by_a_virtual_environment_is_explained(
    everything: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(
        check_system, "find_spec", lambda name: None if name == "nftables" else object()
    )
    package = everything / "usr/lib" / place / "nftables"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (only,) = failed(everything)
    assert only.detail == "installed, but not visible in this virtual environment"
    assert only.hint == f"recreate it: python3 -m venv --system-site-packages {sys.prefix}"


def test_a_missing_library_is_reported(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    (only,) = failed(everything)
    assert only.detail == "libnftables.so.1: cannot open shared object file"
    assert "apt install libnftables1" in only.hint


@pytest.mark.parametrize(
    ("module", "detail"),
    [
        ("dbus_fast", "without its D-Bus interface"),
        ("pyroute2", "discovery helpers refuse answers"),
    ],
)
def test_a_missing_package_is_reported(
    everything: Path, monkeypatch: pytest.MonkeyPatch, module: str, detail: str
) -> None:
    monkeypatch.setattr(
        check_system, "find_spec", lambda name: None if name == module else object()
    )
    (only,) = failed(everything)
    assert detail in only.detail
    package = f"python3-{module.replace('_', '-')}"
    assert only.hint == f"apt install {package} (Debian), dnf install {package} (Fedora)"


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_module_is_reported(everything: Path, name: str) -> None:
    folder = everything / "lib/modules" / RELEASE
    (folder / "modules.dep").write_text("kernel/net/ipv4/tunnel4.ko:\n")
    built_in = [f"kernel/net/{other}.ko" for other in MODULES if other != name]
    (folder / "modules.builtin").write_text("\n".join(built_in) + "\n")
    (only,) = failed(everything)
    assert only.name == f"module {name}"
    assert only.detail == f"kernel {RELEASE} does not have it"
    assert f"CONFIG_{check_system.OPTIONS[name]}" in only.hint
    (everything / "sys/module" / name).mkdir(parents=True)
    assert failed(everything) == []


def test_modules_are_not_checked_without_a_module_list(everything: Path) -> None:
    (everything / "lib/modules" / RELEASE / "modules.dep").unlink()
    assert failed(everything) == []
    *_, last = check_system.findings(RELEASE, everything)
    assert last.detail == f"not checked: {everything}/lib/modules/{RELEASE} has no list of modules"
