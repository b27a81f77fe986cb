"""The Debian packages under a real systemd: installed, upgraded under traffic, removed, purged; a plugin's too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab import image
from lab.clients import mount, read, umount
from lab.packages import BROUGHT, OLDER, OLDER_LAYER, Debs
from lab.process import wait_until
from lab.servers import start_ftp, start_nfs
from lab.service import reload
from lab.system import System
from lab.topology import Lab
from lab.traffic import finish, loops, progress

from fwhelpers.kernel import cthelper
from fwhelpers.kernel.socket import NetlinkSocket

UNIT = "fwhelpers.service"
PACKAGES = ("fwhelpers-firewalld", "fwhelpers", "python3-fwhelpers")
CONFIG = "[daemon]\nworkers = 2\n[helpers.ftp]\n[helpers.rpc]\n"
# emulated, everything takes longer
PATIENT = "[Service]\nTimeoutStartSec=300\nTimeoutStopSec=120\nWatchdogSec=120\n"


@pytest.fixture
def bare(lab: Lab) -> System:
    """A system without our packages."""
    return _patient(System(lab))


@pytest.fixture
def now(lab: Lab) -> System:
    """A system with our packages."""
    return _patient(System(lab, image.find_layer()))


@pytest.fixture
def older(lab: Lab) -> System:
    """A system with our packages of an older version."""
    return _patient(System(lab, image.find_layer(OLDER_LAYER)))


@pytest.fixture
def debs() -> type[Debs]:
    """Has the packages built before the VM boots (conftest.py)."""
    return Debs


def _patient(system: System) -> System:
    system.write(f"/etc/systemd/system/{UNIT}.d/lab.conf", PATIENT)
    return system


def registered() -> set[str]:
    """The names of the kernel's user-space helpers."""
    with closing(NetlinkSocket()) as netlink:
        answers = netlink.dump(cthelper.encode_dump(), "list helpers")
        return {cthelper.parse_helper(answer).name for answer in answers}


def version(system: System) -> str:
    """The installed version, nothing if none is."""
    shown = system.run("dpkg-query", "-Wf", "${Version}", "fwhelpers", check=False)
    return shown.stdout.split("-")[0]


def pid(system: System) -> str:
    return system.systemctl("show", "--property=MainPID", "--value", UNIT).stdout.strip()


def remaining(system: System) -> Iterator[Path]:
    """What of ours is in the files that the system has written (removed ones are whiteouts)."""
    upper = system.base / "upper"
    for path in upper.rglob("*fwhelpers*"):
        if not path.is_char_device() and BROUGHT not in f"/{path.relative_to(upper)}":
            yield path.relative_to(upper)


def test_installed_it_runs_and_purged_nothing_is_left(
    lab: Lab, bare: System, debs: type[Debs]
) -> None:
    start_nfs(lab)
    packages = debs(bare)
    bare.boot()
    # helpers belong to the machine: earlier tests have left some
    wait_until(lambda: lab.fwhelpers("unregister", check=False).returncode == 0, "no helper left")
    assert not registered()
    packages.dpkg("-i", *packages.now)
    assert bare.state(UNIT) == "active", bare.journal(UNIT)
    assert bare.systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
    assert {"rpc", "fw-ftp"} <= registered()
    bare.write("/etc/fwhelpers/conf.d/lab.toml", CONFIG)
    reload(bare, "ftp, rpc")
    assert mount(lab, "udp").returncode == 0
    assert "server" in read(lab)
    umount(lab)

    output = packages.dpkg("--purge", *PACKAGES)
    assert "stay registered" not in output
    assert not registered()
    assert "fwhelpers" not in lab.run("g", "nft", "list", "tables").stdout
    assert not bare.run("pgrep", "-f", "fwhelpers", check=False).stdout
    ours = Path(f"etc/systemd/system/{UNIT}.d")
    assert [path for path in remaining(bare) if path != ours] == []


def test_upgrade_under_traffic_loses_no_connection(
    lab: Lab, older: System, debs: type[Debs]
) -> None:
    start_ftp(lab)
    start_nfs(lab)
    packages = debs(older)
    older.write("/etc/fwhelpers/conf.d/lab.toml", CONFIG)
    older.boot("fwhelpers-register.service", UNIT)
    assert version(older) == OLDER
    assert older.state(UNIT) == "active", older.journal(UNIT)
    running = loops(lab)
    progress(running)
    before = pid(older)
    packages.dpkg("-i", *packages.now)
    assert version(older) != OLDER
    assert older.state(UNIT) == "active", older.journal(UNIT)
    assert pid(older) not in ("0", before)
    progress(running)
    results = finish(lab, running)
    assert not any(failed for _, failed in results), results
    assert all(done for done, _ in results)


def test_what_a_ruleset_names_stays_registered_and_is_told(
    lab: Lab, now: System, debs: type[Debs]
) -> None:
    packages = debs(now)
    now.boot("fwhelpers-register.service")
    lab.nft('table inet mine {\nct helper r {\ntype "rpc" protocol tcp;\n}\n}\n')
    output = packages.dpkg("--purge", *PACKAGES)
    assert "helpers are in use by nftables table inet mine" in output
    assert "a ruleset that names one cannot be loaded" in output
    assert "rpc" in registered()
    lab.nft("delete table inet mine\n")


def test_a_plugin_s_package_is_taken_up_and_given_up(
    lab: Lab, now: System, debs: type[Debs]
) -> None:
    def rules() -> str:
        return str(lab.run("g", "nft", "list", "table", "inet", "fwhelpers").stdout)

    packages = debs(now)
    now.write("/etc/fwhelpers/conf.d/lab.toml", "[daemon]\nworkers = 1\n")
    now.boot("fwhelpers-register.service", UNIT)
    assert now.state(UNIT) == "active", now.journal(UNIT)
    assert "foo" not in registered()
    first = pid(now)
    packages.dpkg("-i", packages.plugin)
    assert "foo" in registered()
    assert "fwhelpers-foo 1.0" in now.run("fwhelpers", "list").stdout
    now.write("/etc/fwhelpers/conf.d/foo.toml", "[helpers.foo]\n")
    now.systemctl("reload", UNIT)
    wait_until(lambda: "7777" in rules(), "foo's port is in the rules", 120)
    now.path("/etc/fwhelpers/conf.d/foo.toml").unlink()
    packages.dpkg("--purge", "python3-fwhelpers-foo")
    wait_until(lambda: "7777" not in rules(), "foo's port is not in the rules any more", 120)
    assert pid(now) == first, "the service has run all the time"
    assert "fwhelpers-foo" not in now.run("fwhelpers", "list").stdout
