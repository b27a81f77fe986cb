"""The Debian packages: what is in which, how they depend, what lintian says, what their scripts do without systemd."""

from __future__ import annotations

import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from shipped import ROOT, need, run

import fwhelpers

PACKAGES = ("cockpit-fwhelpers", "fwhelpers", "fwhelpers-firewalld", "python3-fwhelpers")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")

Debs = dict[str, Path]


def contents(deb: Path) -> set[str]:
    """The files of a package, without its folders."""
    lines = run("dpkg-deb", "--contents", deb).splitlines()
    paths = (line.split(maxsplit=5)[5].split(" -> ")[0].removeprefix(".") for line in lines)
    return {path for path in paths if not path.endswith("/")}


def field(deb: Path, name: str) -> str:
    return run("dpkg-deb", "--field", deb, name).strip()


def script(deb: Path, name: str) -> str:
    """A maintainer script, empty if the package has none."""
    done = subprocess.run(
        ["dpkg-deb", "--info", str(deb), name], capture_output=True, text=True, check=False
    )
    return done.stdout


def test_they_are_all_there(debs: Debs) -> None:
    assert sorted(debs) == sorted(PACKAGES)


def test_the_changelog_has_the_program_s_version(debs: Debs) -> None:
    for deb in debs.values():
        assert field(deb, "Version").startswith(f"{fwhelpers.__version__}-")


def test_compiled_modules_have_their_sources_beside_them(debs: Debs) -> None:
    modules = {path for path in contents(debs["python3-fwhelpers"]) if path.endswith(".so")}
    assert any("/engine/inspector." in path for path in modules)
    sources = {f"{path.split('.')[0]}.py" for path in modules if "/native__mypyc." not in path}
    assert sources <= contents(debs["python3-fwhelpers"])
    assert re.search(
        r"python3 \(<< 3\.\d+\), python3 \(>=", field(debs["python3-fwhelpers"], "Depends")
    )
    machine = run("dpkg", "--print-architecture").strip()
    architectures = {name: field(deb, "Architecture") for name, deb in debs.items()}
    assert architectures == {name: "all" for name in PACKAGES} | {"python3-fwhelpers": machine}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/fwhelpers/fwhelpers.toml",
        "/usr/bin/fwhelpers",
        "/usr/lib/sysusers.d/fwhelpers.conf",
        "/usr/lib/tmpfiles.d/fwhelpers.conf",
        "/usr/share/dbus-1/system.d/io.github.fwhelpers.FwHelpers1.conf",
        "/usr/share/dbus-1/system-services/io.github.fwhelpers.FwHelpers1.service",
        "/usr/share/fwhelpers/conf.d/desktop.toml",
        "/usr/share/polkit-1/actions/io.github.fwhelpers.FwHelpers1.policy",
        "/usr/share/bash-completion/completions/fwhelpers",
        "/usr/share/zsh/vendor-completions/_fwhelpers",
        "/usr/share/fish/vendor_completions.d/fwhelpers.fish",
        "/usr/share/man/man8/fwhelpers.8.gz",
        "/usr/share/man/man5/fwhelpers.toml.5.gz",
        "/usr/share/man/man7/fwhelpers-plugin.7.gz",
        "/usr/share/doc/fwhelpers/safety.md",
    ],
)
def test_the_service_has(debs: Debs, path: str) -> None:
    assert path in contents(debs["fwhelpers"])


def test_the_service_has_its_units(debs: Debs) -> None:
    units = {Path(path).name for path in contents(debs["fwhelpers"]) if "/systemd/system/" in path}
    names = (
        "fwhelpers",
        *(f"fwhelpers-{n}" for n in ("register", "metrics", "exporter", "replication")),
    )
    services = {f"{name}.service" for name in names}
    dropins = {"fwhelpers.conf"} | ({"notify-reload.conf"} if systemd_version() >= 253 else set())
    assert units == services | {"fwhelpers-metrics.timer"} | dropins


def systemd_version() -> int:
    """The version that the packages are built for."""
    version = run("dpkg-query", "-Wf", "${Version}", "libsystemd0")
    return int(re.split(r"\D", version)[0])


def test_a_reload_that_waits_breaks_older_systemd(debs: Debs) -> None:
    assert field(debs["fwhelpers"], "Breaks") == (
        "systemd (<< 253~)" if systemd_version() >= 253 else ""
    )


@pytest.mark.parametrize(("version", "installed"), [(252, False), (253, True), (257, True)])
def test_the_reload_waits_with_systemd_253(version: int, installed: bool, tmp_path: Path) -> None:
    need("make")
    make = ["make", "-C", ROOT / "packaging", "install-units", f"DESTDIR={tmp_path}"]
    run(*make, f"systemd={version}")
    folder = tmp_path / "usr/lib/systemd/system"
    assert (folder / "fwhelpers.service").is_file()
    assert (folder / "fwhelpers.service.d/notify-reload.conf").is_file() is installed


def test_firewalld_s_definitions_are_apart(debs: Debs) -> None:
    paths = contents(debs["fwhelpers-firewalld"])
    ours = {path for path in paths if not path.startswith("/usr/share/doc/")}
    folder = ROOT / "packaging/firewalld"
    xml = {f"/usr/lib/firewalld/{file.relative_to(folder)}" for file in folder.rglob("*.xml")}
    assert xml
    others = {Path(path).name for path in ours - xml}
    assert xml < ours
    assert others == {"fwhelpers-firewalld.conf", "fwhelpers-firewalld.rules"}


def test_the_page_for_cockpit_is_apart(debs: Debs) -> None:
    paths = {p for p in contents(debs["cockpit-fwhelpers"]) if not p.startswith("/usr/share/doc/")}
    files = [file for file in (ROOT / "packaging/cockpit").glob("*") if file.is_file()]
    assert paths == {f"/usr/share/cockpit/fwhelpers/{file.name}" for file in files}


def test_the_modules_are_all_in_the_library(debs: Debs) -> None:
    paths = contents(debs["python3-fwhelpers"])
    home = "/usr/lib/python3/dist-packages"
    for folder, package in (("fwhelpers", "fwhelpers"), ("plugins", "fwhelpers_plugins")):
        for file in (ROOT / folder).rglob("*.py"):
            assert f"{home}/{package}/{file.relative_to(ROOT / folder)}" in paths
    assert any(path.endswith(".dist-info/entry_points.txt") for path in paths)


def test_every_data_file_of_the_tree_is_in_a_package(debs: Debs) -> None:
    """What is added to a folder of packaging/ must not be forgotten here."""
    shipped = {Path(path).name for deb in debs.values() for path in contents(deb)}
    folders = ["systemd", "completion", "conf.d", "firewalld", "polkit", "modprobe.d"]
    paths = [f for name in folders for f in (ROOT / "packaging" / name).rglob("*") if f.is_file()]
    paths += [file for file in (ROOT / "dbus").rglob("*") if file.is_file()]
    renamed = {
        "fwhelpers.bash": "fwhelpers", "fwhelpers.sysusers": "fwhelpers.conf", "fwhelpers.tmpfiles": "fwhelpers.conf",
        "modprobe.conf": "fwhelpers-firewalld.conf",
    }  # fmt: skip
    # Debian's packages bring no presets: what is installed is enabled there
    paths = [file for file in paths if file.suffix != ".preset"]
    # one of them depends on the version of systemd
    paths = [file for file in paths if file.name != "notify-reload.conf"]
    assert [f for f in paths if renamed.get(f.name, f.name) not in shipped] == []


def test_no_file_is_in_two_packages(debs: Debs) -> None:
    owners: dict[str, str] = {}
    for name, deb in debs.items():
        for path in contents(deb):
            assert path not in owners, f"{path} is in {name} and {owners[path]}"
            owners[path] = name


def test_nothing_of_the_build_is_in_them(debs: Debs, tmp_path: Path) -> None:
    for name, deb in debs.items():
        for path in contents(deb):
            assert not re.search(r"__pycache__|\.pyc$|/tests?/.*vm|egg-info|/build/", path), path
        run("dpkg-deb", "--raw-extract", deb, tmp_path / name)
    for file in tmp_path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            text = file.read_bytes()
            assert str(ROOT).encode() not in text, file
            assert b"/tmp/tmp." not in text, file


def test_dependencies(debs: Debs) -> None:
    version = field(debs["fwhelpers"], "Version")
    service = field(debs["fwhelpers"], "Depends")
    assert f"python3-fwhelpers (>= {version})" in service
    assert f"python3-fwhelpers (<< {version}.1~)" in service
    assert "python3-nftables" in service
    library = field(debs["python3-fwhelpers"], "Depends")
    assert "python3-pluggy" in library
    assert "python3-dbus-fast" in library
    assert "python3-pyroute2" in library
    for addition in ("fwhelpers-firewalld", "cockpit-fwhelpers"):
        assert f"fwhelpers (= {version})" in field(debs[addition], "Depends")


def test_the_configuration_is_a_conffile(debs: Debs) -> None:
    listed = run("dpkg-deb", "--info", debs["fwhelpers"], "conffiles").split()
    assert "/etc/fwhelpers/fwhelpers.toml" in listed
    assert set(listed) == {p for p in contents(debs["fwhelpers"]) if p.startswith("/etc/")}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_scripts_are_posix_shell(debs: Debs, package: str) -> None:
    for name in SCRIPTS:
        text = script(debs[package], name)
        if text:
            subprocess.run(["dash", "-n"], input=text, text=True, check=True)
            assert "set -e" in text


def test_where_no_systemd_runs_the_scripts_touch_no_kernel(debs: Debs) -> None:
    """In a chroot `fwhelpers unregister` would take the helpers of the machine around it."""
    calls = 0
    for deb in debs.values():
        for name in SCRIPTS:
            guarded = False
            for line in script(deb, name).splitlines():
                guarded = guarded or "[ -d /run/systemd/system ]" in line
                guarded = guarded and line != "fi"
                if re.search(r"\bfwhelpers (un)?register\b", line) and not line.startswith("#"):
                    calls += 1
                    assert guarded, f"{name}: {line}"
    assert calls >= 3


def test_an_upgrade_unregisters_nothing(debs: Debs) -> None:
    text = script(debs["fwhelpers"], "prerm")
    (line,) = [line for line in text.splitlines() if "unregister" in line]
    before = text[: text.index(line)].splitlines()
    assert '[ "$1" = remove ]' in [line for line in before if line.startswith("if ")][-1]


def test_a_plugin_s_package_can_tell_the_service(debs: Debs) -> None:
    listed = run("dpkg-deb", "--info", debs["fwhelpers"], "triggers").split()
    assert listed[-2:] == ["interest-noawait", "fwhelpers-plugins"]


def test_lintian_finds_nothing(debs: Debs) -> None:
    folder = debs["fwhelpers"].parent
    (changes,) = folder.glob("*.changes")
    argv = ["lintian", "--allow-root", "--tag-display-limit", "0", str(changes)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert complaints == []


def test_the_same_tree_makes_the_same_packages(debs: Debs) -> None:
    before = {deb: sha256(deb.read_bytes()).hexdigest() for deb in debs.values()}
    (debs["fwhelpers"].parent / "stamp").unlink()
    run(ROOT / "packaging/build-deb")
    assert {deb: sha256(deb.read_bytes()).hexdigest() for deb in debs.values()} == before


def test_what_is_built_is_not_built_again(debs: Debs) -> None:
    before = {deb: deb.stat().st_mtime_ns for deb in debs.values()}
    run(ROOT / "packaging/build-deb")
    assert {deb: deb.stat().st_mtime_ns for deb in debs.values()} == before
