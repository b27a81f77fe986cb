"""The Debian packages under a real systemd: installed, upgraded with traffic running, purged; a plugin's too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clients import mount, read, umount
from lab import Lab
from packages import OLDER, Debs
from process import wait_until
from servers import start_ftp, start_nfs
from system import System
from test_systemd_service import finish, loops, progress

from fwhelpers.kernel import cthelper
from fwhelpers.kernel.socket import NetlinkSocket

UNIT = "fwhelpers.service"
CONFIG = "[daemon]\nworkers = 2\n[helpers.ftp]\n[helpers.rpc]\n"
# emulated, everything takes longer
PATIENT = "[Service]\nTimeoutStartSec=300\nTimeoutStopSec=120\nWatchdogSec=120\n"


@pytest.fixture
def bare(lab: Lab) -> System:
    """A system without our packages."""
    system = System(lab)
    system.write(f"/etc/systemd/system/{UNIT}.d/lab.conf", PATIENT)
    return system


@pytest.fixture
def debs(bare: System) -> Debs:
    """The packages, ready to be installed there."""
    return Debs(bare)


def registered() -> set[str]:
    """The names of the kernel's user-space helpers."""
    with closing(NetlinkSocket()) as netlink:
        answers = netlink.dump(cthelper.encode_dump(), "list helpers")
        return {cthelper.parse_helper(answer).name for answer in answers}


def version(system: System) -> str:
    done = system.run(
        "dpkg-query", "-Wf", "${db:Status-Abbrev}${Version}", "fwhelpers", check=False
    )
    return done.stdout


def left(system: System) -> Iterator[Path]:
    """What of ours is in the files that the system has written (removed ones are whiteouts)."""
    upper = system.base / "upper"
    for path in upper.rglob("*fwhelpers*"):
        if not path.is_char_device():
            yield path.relative_to(upper)


def test_installed_upgraded_removed(lab: Lab, bare: System, debs: Debs) -> None:
    start_ftp(lab)
    start_nfs(lab)
    bare.boot()
    assert not registered()

    debs.dpkg("-i", *debs.older)
    assert version(bare) == f"ii {OLDER}-1~upstream1" or version(bare).startswith(f"ii {OLDER}-")
    assert bare.state(UNIT) == "active", bare.journal(UNIT)
    assert bare.systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
    assert {"rpc", "fw-ftp"} <= registered()
    bare.write("/etc/fwhelpers/conf.d/lab.toml", CONFIG)
    bare.systemctl("reload", UNIT)
    assert mount(lab, "udp").returncode == 0
    assert "served" in read(lab) or "written" in read(lab)
    umount(lab)

    running = loops(lab)
    progress(running)
    before = bare.systemctl("show", "--property=MainPID", UNIT).stdout
    debs.dpkg("-i", *debs.now)
    assert OLDER not in version(bare)
    assert bare.state(UNIT) == "active", bare.journal(UNIT)
    assert bare.systemctl("show", "--property=MainPID", UNIT).stdout != before
    progress(running)
    results = finish(lab, running)
    assert [failed for _, failed in results] == [0, 0, 0], results

    said = debs.dpkg("--remove", "fwhelpers-firewalld", "fwhelpers", "python3-fwhelpers")
    assert "stay registered" not in said
    assert not registered()
    assert "fwhelpers" not in lab.run("g", "nft", "list", "tables").stdout
    assert not bare.run("pgrep", "-f", "fwhelpers", check=False).stdout
    assert bare.path("/etc/fwhelpers/fwhelpers.toml").exists()
    debs.dpkg("--purge", "fwhelpers-firewalld", "fwhelpers", "python3-fwhelpers")
    ours = {Path(f"etc/systemd/system/{UNIT}.d")}
    assert [path for path in left(bare) if path not in ours] == []


def test_what_a_ruleset_uses_stays_registered_and_is_told(
    lab: Lab, bare: System, debs: Debs
) -> None:
    bare.boot()
    debs.dpkg("-i", *debs.now)
    lab.nft('table inet mine {\nct helper r {\ntype "rpc" protocol tcp;\n}\n}\n')
    said = debs.dpkg("--purge", "fwhelpers-firewalld", "fwhelpers", "python3-fwhelpers")
    assert "helpers are in use by nftables table inet mine" in said
    assert "A ruleset that names one can't be loaded then" in said
    assert "rpc" in registered()


def test_a_plugin_s_package(lab: Lab, bare: System, debs: Debs) -> None:
    bare.boot()
    debs.dpkg("-i", *debs.now)
    bare.write("/etc/fwhelpers/conf.d/foo.toml", "[daemon]\nworkers = 1\n")
    bare.systemctl("reload", UNIT)
    assert "foo" not in registered()
    debs.dpkg("-i", debs.plugin)
    assert "foo" in registered()
    assert "python3-fwhelpers-foo" in debs.dpkg("-l", "python3-fwhelpers-foo")
    assert "fwhelpers-foo 1.0" in bare.run("fwhelpers", "list").stdout
    bare.write("/etc/fwhelpers/conf.d/foo.toml", "[daemon]\nworkers = 1\n[helpers.foo]\n")
    bare.systemctl("reload", UNIT)
    rules = lambda: lab.run("g", "nft", "list", "table", "inet", "fwhelpers").stdout  # noqa: E731
    wait_until(lambda: "7777" in rules(), "foo's port is in the rules", 120)
    bare.write("/etc/fwhelpers/conf.d/foo.toml", "[daemon]\nworkers = 1\n")
    debs.dpkg("--purge", "python3-fwhelpers-foo")
    wait_until(lambda: "7777" not in rules(), "foo's port is not in the rules any more", 120)
    assert bare.state(UNIT) == "active"
    assert "fwhelpers-foo" not in bare.run("fwhelpers", "list").stdout
