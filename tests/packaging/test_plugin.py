"""A third party's plugin is a package of its own: built, tested, installed beside ours, and removed again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shipped import ROOT, make_venv, need, run

PLUGIN = ROOT / "examples/fwhelpers-foo"
PAGE = ROOT / "docs/plugins.md"


def listed(venv: Path) -> dict[str, Any]:
    """What `fwhelpers list` shows, with foo's table in the configuration."""
    config = venv.parent / "config.toml"
    config.write_text("[helpers.foo]\n")
    output: dict[str, Any] = json.loads(
        run(venv / "fwhelpers", "list", "--json", "--config", config)
    )
    return output


def test_it_is_small() -> None:
    code = (PLUGIN / "fwhelpers_foo.py").read_text().splitlines()
    assert len([line for line in code if line.strip()]) <= 30


def test_its_own_tests_pass(plugin_wheel: Path, tmp_path: Path) -> None:
    """Against the installed wheel, not the source beside them."""
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    run(*pip, "--target", target, plugin_wheel)
    shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    output = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "tests",
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)},
    )  # fmt: skip
    assert "passed" in output
    assert "failed" not in output


def test_installed_it_is_listed_and_removed_it_is_gone(
    wheel: Path, plugin_wheel: Path, tmp_path: Path
) -> None:
    venv = make_venv(tmp_path / "venv", wheel)
    assert "foo" not in {helper["name"] for helper in listed(venv)["helpers"]}
    pip = [venv / "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", plugin_wheel)
    output = listed(venv)
    (foo,) = [helper for helper in output["helpers"] if helper["name"] == "foo"]
    assert foo["enabled"]
    assert foo["ports"] == [7777]
    (plugin,) = [entry for entry in output["plugins"] if entry["name"] == "foo"]
    assert (plugin["distribution"], plugin["state"]) == ("fwhelpers-foo", "loaded")
    assert output["problems"] == []
    run(*pip, "uninstall", "--yes", "fwhelpers-foo")
    assert "foo" not in {helper["name"] for helper in listed(venv)["helpers"]}


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's Debian package, built with its own debian/ as its author would."""
    need("dpkg-buildpackage", "dh")
    folder = tmp_path_factory.mktemp("deb")
    run(ROOT / "packaging/build-plugin-deb", PLUGIN, folder)
    (built,) = folder.glob("*.deb")
    return built


def test_the_deb(deb: Path) -> None:
    assert run("dpkg-deb", "--field", deb, "Package").strip() == "python3-fwhelpers-foo"
    assert "python3-fwhelpers (>= 0.1)" in run("dpkg-deb", "--field", deb, "Depends")
    contents = run("dpkg-deb", "--contents", deb)
    assert "/usr/lib/python3/dist-packages/fwhelpers_foo.py" in contents
    assert "entry_points.txt" in contents
    triggers = run("dpkg-deb", "--info", deb, "triggers")
    assert "activate-noawait fwhelpers-plugins" in triggers


def test_lintian_finds_nothing_in_the_deb(deb: Path) -> None:
    need("lintian")
    argv = ["lintian", "--allow-root", "--tag-display-limit", "0", str(deb)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))] == []
