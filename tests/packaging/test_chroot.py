"""In a chroot without systemd the packages are installed, used, removed and purged, and nothing is left.

The chroot is this machine's own files under a layer in memory, so that what is written can be told from what was there.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from shipped import run

# the shell's arguments: a folder to work in, then the packages
_SCRIPT = r"""
set -e
mkdir "$1/root" "$1/memory"
mount -t tmpfs tmpfs "$1/memory"
mkdir "$1/memory/upper" "$1/memory/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mkdir "$1/root/run/debs"
cp "${@:2}" "$1/root/run/debs"
inside() { PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot "$1/root" sh -ec "$2"; }
left() { (cd "$1/memory/upper" && find . -path ./var/cache/man -prune -o -name '*fwhelpers*' ! -type c -print | sort); }

echo '--- install'
inside "$1" 'dpkg -i /run/debs/*.deb'
inside "$1" 'fwhelpers --version; id -u fwhelpers; ls -l /etc/systemd/system/*.wants/fwhelpers*'
inside "$1" 'man -P cat 8 fwhelpers | head -n 4; man -P cat 5 fwhelpers.toml | head -n 1'
echo '--- again'
inside "$1" 'dpkg -i /run/debs/*.deb'
echo '--- remove'
touch "$1/root/etc/fwhelpers/conf.d/own.toml"
inside "$1" 'dpkg --remove cockpit-fwhelpers fwhelpers-firewalld fwhelpers python3-fwhelpers'
left "$1"
echo '--- purge'
inside "$1" 'dpkg --purge cockpit-fwhelpers fwhelpers-firewalld fwhelpers python3-fwhelpers'
echo '--- left'
left "$1"
"""


@pytest.fixture(scope="module")
def story(debs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was said in each part of the script."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    folder = tmp_path_factory.mktemp("chroot")
    allowed = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run(allowed, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    output = run(
        "unshare",
        "--mount",
        "bash",
        "-c",
        f"exec 2>&1\n{_SCRIPT}",
        "chroot",
        folder,
        *debs.values(),
    )
    parts = output.split("--- ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def test_installs_and_is_enabled(story: dict[str, str]) -> None:
    output = story["install"]
    assert "fwhelpers 0." in output
    assert "multi-user.target.wants/fwhelpers.service" in output
    assert "fwhelpers-register.service" in output
    assert "connection-tracking helpers" in output


@pytest.mark.parametrize("part", ["install", "again", "remove", "purge"])
def test_no_script_complains(story: dict[str, str], part: str) -> None:
    for line in story[part].splitlines():
        assert not line.startswith(("fwhelpers:", "fwhelpers-firewalld:", "hint:")), line
        assert "warning" not in line.replace("dpkg: warning", ""), line


def test_removal_keeps_the_configuration(story: dict[str, str]) -> None:
    files = [line for line in story["remove"].splitlines() if line.startswith("./etc/")]
    assert "./etc/fwhelpers" in files
    assert not any("bin/fwhelpers" in line for line in story["remove"].splitlines())


def test_purge_leaves_nothing(story: dict[str, str]) -> None:
    assert story["left"].split() == []
