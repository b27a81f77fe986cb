"""The RPM packages, built from the spec with rpmbuild: Fedora's macros or, without them, our stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from shipped import ROOT, need, run

import fwhelpers

SPEC = ROOT / "packaging/rpm/fwhelpers.spec"
SELINUX = Path("/usr/share/selinux/devel/Makefile")


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages by name; their %check has passed."""
    need("rpmbuild")
    folder = tmp_path_factory.mktemp("rpm")
    # those of the plugins look at nothing of the system
    environment = {**os.environ, "PYTHON": sys.executable, "CHECK_TESTS": "tests/unit"}
    files = run(ROOT / "packaging/rpm/build", folder, env=environment).split()
    return {run("rpm", "-qp", "--qf", "%{NAME}", f): Path(f) for f in files if ".src." not in f}


def test_they_are_all_there(rpms: dict[str, Path]) -> None:
    selinux = ["fwhelpers-selinux"] if SELINUX.exists() else []
    assert sorted(rpms) == [
        "cockpit-fwhelpers", "fwhelpers", "fwhelpers-firewalld", *selinux, "python3-fwhelpers",
    ]  # fmt: skip
    for file in rpms.values():
        assert run("rpm", "-qp", "--qf", "%{VERSION}", file) == fwhelpers.__version__


def test_the_source_package_is_the_same_for_anybody(tmp_path: Path) -> None:
    """In another folder, with other modes and times of files, another umask and time zone."""
    need("rpmbuild")
    parts = ("docs", "examples", "fwhelpers", "packaging", "plugins", "dbus", "tests/unit")
    packages = []
    for name, mask in (("one", 0o022), ("another", 0o077)):
        tree = tmp_path / name / "tree"
        for part in parts:
            shutil.copytree(ROOT / part, tree / part, copy_function=shutil.copyfile)
        for file in filter(Path.is_file, ROOT.iterdir()):
            shutil.copyfile(file, tree / file.name)
        for path in [*tree.rglob("*"), tree]:
            executable = path.is_dir() or path.suffix == ""
            path.chmod((0o777 if executable else 0o666) & ~mask)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "TZ": f"ZONE{mask % 12}"}
        command = ("bash", tree / "packaging/rpm/build", "--source", tmp_path / name / "result")
        (file,) = run(*command, env=environment, umask=mask).split()
        packages.append(Path(file).read_bytes())
    assert packages[0] == packages[1]


def test_contents(rpms: dict[str, Path]) -> None:
    service = run("rpm", "-qpl", rpms["fwhelpers"]).splitlines()
    for path in (
        "/etc/fwhelpers/fwhelpers.toml", "/usr/bin/fwhelpers", "/usr/share/man/man8/fwhelpers.8",
        "/usr/lib/systemd/system/fwhelpers.service", "/usr/lib/sysusers.d/fwhelpers.conf",
        "/usr/share/bash-completion/completions/fwhelpers",
        "/usr/share/dbus-1/system.d/io.github.fwhelpers.FwHelpers1.conf",
    ):  # fmt: skip
        assert any(line.startswith(path) for line in service), path
    library = run("rpm", "-qpl", rpms["python3-fwhelpers"])
    for folder, package in (("fwhelpers", "fwhelpers"), ("plugins", "fwhelpers_plugins")):
        for file in (ROOT / folder).rglob("*.py"):
            assert f"/site-packages/{package}/{file.relative_to(ROOT / folder)}\n" in library
    assert re.search(r"/fwhelpers/engine/inspector\.cpython-\S+\.so\n", library)
    assert "entry_points.txt" in library
    page = run("rpm", "-qpl", rpms["cockpit-fwhelpers"])
    assert "/usr/share/cockpit/fwhelpers/manifest.json\n" in page
    xml = run("rpm", "-qpl", rpms["fwhelpers-firewalld"])
    for file in (ROOT / "packaging/firewalld").rglob("*.xml"):
        assert f"/usr/lib/firewalld/{file.relative_to(ROOT / 'packaging/firewalld')}\n" in xml


def test_the_spec_s_systemd_of_each_distribution() -> None:
    """RHEL 9's cannot wait for a reload."""
    need("rpmspec")
    for macro, waits in (("fedora 42", True), ("rhel 10", True), ("rhel 9", False)):
        defined = ("--define", macro, "--define", "_unitdir /units")
        spec = run(
            "rpmspec", "--load", ROOT / "packaging/rpm/macros.elsewhere", *defined, "-P", SPEC
        )
        assert ("fwhelpers.service.d/notify-reload.conf" in spec) is waits, macro
        assert ("Conflicts:      systemd < 253" in spec) is waits, macro


def test_the_spec_s_policy_of_each_distribution() -> None:
    """Fedora and RHEL have a policy that enforces; others would have to build one for theirs."""
    need("rpmspec")
    macros = ROOT / "packaging/rpm/macros.elsewhere"
    for macro, built in (("fedora 42", True), ("rhel 9", True), ("suse_version 1600", False)):
        defined = ("--define", macro, "--define", "_unitdir /units")
        spec = run("rpmspec", "--load", macros, *defined, "-P", SPEC)
        assert ("\n%package        selinux\n" in spec) is built, macro
        assert ("(fwhelpers-selinux if selinux-policy-targeted)" in spec) is built, macro


def test_the_policy(rpms: dict[str, Path]) -> None:
    if not SELINUX.exists():
        pytest.skip(f"no {SELINUX} (selinux-policy-dev)")
    listed = run("rpm", "-qpl", rpms["fwhelpers-selinux"]).splitlines()
    assert "/usr/share/selinux/packages/targeted/fwhelpers.pp.bz2" in listed
    for path in (ROOT / "packaging/selinux/systemd").rglob("*.conf"):
        folder = path.parent.relative_to(ROOT / "packaging/selinux/systemd")
        assert f"/usr/lib/systemd/system/{folder}/selinux.conf" in listed
    assert "selinux.conf" not in run("rpm", "-qpl", rpms["fwhelpers"])


def test_dependencies(rpms: dict[str, Path]) -> None:
    needs = run("rpm", "-qp", "--requires", rpms["fwhelpers"]).splitlines()
    assert f"python3-fwhelpers = {fwhelpers.__version__}-1" in needs
    assert "python3-nftables" in needs
    library = run("rpm", "-qp", "--requires", rpms["python3-fwhelpers"])
    assert "dist(pluggy) >= 1" in library
    assert "dist(dbus-fast) >= 1.84" in library
    assert "dist(pyroute2) >= 0.7" in library


def test_the_configuration_is_kept_at_an_upgrade(rpms: dict[str, Path]) -> None:
    listed = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\\n]", rpms["fwhelpers"])
    assert "/etc/fwhelpers/fwhelpers.toml cn" in listed


def test_an_upgrade_unregisters_nothing(rpms: dict[str, Path]) -> None:
    scripts = run("rpm", "-qp", "--scripts", rpms["fwhelpers"])
    before = scripts.split("fwhelpers unregister")[0]
    assert before.rstrip().endswith("if [ $1 -eq 0 ] && [ -d /run/systemd/system ]; then")


def test_the_macro_for_packages_of_plugins() -> None:
    need("rpm")
    macros = ROOT / "packaging/rpm/macros.fwhelpers"
    text = run("rpm", "--load", macros, "--eval", "%fwhelpers_reload")
    assert "fwhelpers register" in text
    run("sh", "-n", "-c", text)


def test_spec_and_changelog_agree() -> None:
    text = SPEC.read_text()
    assert f"\nVersion:        {fwhelpers.__version__}\n" in text
    assert f"> - {fwhelpers.__version__}-1\n" in text.split("%changelog")[1].splitlines(True)[1]
