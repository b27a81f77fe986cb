"""`pip install`: all of it works that needs nothing of the system, and `check` says what the rest needs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from shipped import ROOT, make_venv, run

import fwhelpers

CAPTURE = ROOT / "tests/captures/own"


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The bin folder of a virtual environment with the wheel, which sees nothing of the system."""
    return make_venv(tmp_path_factory.mktemp("bare") / "venv", wheel)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "fwhelpers.toml").write_text("[helpers.ftp]\n[helpers.rpc]\n")
    return tmp_path


def test_the_wheel_has_all_modules_and_no_others(wheel: Path) -> None:
    names = {name for name in ZipFile(wheel).namelist() if name.endswith(".py")}
    packages = (("fwhelpers", "fwhelpers"), ("plugins", "fwhelpers_plugins"))
    ours = {
        f"{package}/{file.relative_to(ROOT / folder)}"
        for folder, package in packages
        for file in (ROOT / folder).rglob("*.py")
    }
    assert names == ours


def test_the_wheel_has_the_data_files(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    interfaces = {f"fwhelpers/dbus/xml/{file.name}" for file in (ROOT / "dbus").glob("*.xml")}
    assert interfaces
    assert {"fwhelpers/py.typed", "fwhelpers_plugins/py.typed", *interfaces} <= set(names)


def test_check_says_what_the_system_lacks(bare: Path, config: Path) -> None:
    done = subprocess.run(
        [bare / "fwhelpers", "check", "--json", "--config", config],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == ""
    rows = {row["name"]: row for row in json.loads(done.stdout)["report"]}
    binding = rows["Python binding of nftables"]
    assert not binding["ok"]
    assert "--system-site-packages" in binding["hint"]
    assert rows["D-Bus for Python"]["ok"]
    assert rows[f"ftp (fwhelpers {fwhelpers.__version__})"]["ok"]
    assert rows[str(config)]["ok"]
    assert not any(row["ok"] for row in rows.values() if row["section"] == "ruleset")


def test_run_says_what_is_missing_in_a_line(bare: Path, config: Path) -> None:
    done = subprocess.run(
        [bare / "fwhelpers", "register", "--config", config],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    first, hint = done.stderr.splitlines()[-2:]
    assert first.startswith("fwhelpers: error: ")
    assert hint.startswith("hint: ")


def test_list(bare: Path, config: Path) -> None:
    listing = json.loads(run(bare / "fwhelpers", "list", "--json", "--config", config))
    enabled = {helper["name"] for helper in listing["helpers"] if helper["enabled"]}
    assert enabled == {"ftp", "rpc"}
    assert listing["problems"] == []


def test_ruleset(bare: Path, config: Path) -> None:
    assert "table inet fwhelpers {" in run(bare / "fwhelpers", "ruleset", "--config", config)


def test_replay(bare: Path, config: Path) -> None:
    capture = sorted(CAPTURE.rglob("*ftp*.pcap*"))[0]
    text = run(bare / "fwhelpers", "replay", "--helper", "ftp", "--json", capture)
    assert '"helper": "ftp"' in text


def test_completion_and_version(bare: Path) -> None:
    assert run(bare / "fwhelpers", "--version").startswith("fwhelpers ")
    assert run(bare / "fwhelpers", "completion", "fish").startswith("# fish completion")
