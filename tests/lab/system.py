"""A Debian system under systemd as the gateway, with its services, bus and firewall.

systemd-nspawn boots it in the lab's gateway namespace, from the machine's files under a writable layer in memory that
has our packages (image.py). It has all capabilities and no user namespace, because nfnetlink_cthelper requires the
initial one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from lab.process import LabError, Process, run, wait_until
from lab.rootfs import MOUNTED, TREES
from lab.topology import Lab

CACHED = Path("/run/cached")  #: the host's files with a cache (guest.sh)
CGROUPS = Path("/sys/fs/cgroup")
BOOT = 300.0  #: seconds for a boot under emulation

# only what a boot needs: other services that the host enables cost minutes under emulation
_TARGET = """
[Unit]
Description=what the lab wants
Requires=basic.target dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""
_MASKED = """
    apparmor.service systemd-udevd.service systemd-udev-trigger.service systemd-hwdb-update.service systemd-
    journal-catalog-update.service systemd-update-utmp.service keyboard-setup.service console-setup.service
    ldconfig.service systemd-update-done.service systemd-pcrphase-sysinit.service systemd-pcrphase.service
    systemd-binfmt.service systemd-random-seed.service systemd-modules-load.service rpcbind.socket nfs-
    client.target avahi-daemon.socket systemd-timesyncd.service systemd-resolved.service console-getty.service
    getty.target systemd-logind.service exim4-base.timer
"""


class System:
    """systemd in a namespace of the lab, from `boot` to the lab's end."""

    def __init__(self, lab: Lab, layer: Path | None = None, name: str = "g") -> None:
        self.lab = lab
        self.name = name
        self.base = Path("/run/systems") / name
        self.root = self.base / "root"
        self.boots = 0
        self._layer = layer
        self._process: Process | None = None
        self._leader = 0
        lab.cleanups.append(self.close)
        self._build()

    def _build(self) -> None:
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir(parents=True)
        if self._layer is not None:
            run(["cp", "-a", f"{self._layer}/.", str(self.base / "upper")])
        lower = CACHED if CACHED.is_dir() else Path("/")
        layers = f"lowerdir={lower},upperdir={self.base}/upper,workdir={self.base}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)])
        self._mount_files()
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        units = self.path("/etc/systemd/system")
        (units / "lab.target").write_text(_TARGET)
        for unit in _MASKED.split():
            self._mask(units / unit)
        for wants in ("sysinit.target.wants", "multi-user.target.wants", "sockets.target.wants"):
            shutil.rmtree(units / wants, ignore_errors=True)
        self.path("/etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        self.path("/etc/fstab").write_text("")
        self.path("/var/log/journal").mkdir(exist_ok=True)

    def _mount_files(self) -> None:
        """Mount Python's files from the image (rootfs.py) below the installed ones."""
        trees = TREES.read_text().split() if TREES.exists() else []
        for number, tree in enumerate(tree for tree in trees if tree.startswith("/usr/")):
            upper, work = self.base / f"upper{number}", self.base / f"work{number}"
            installed = self.base / f"upper{tree}"
            if installed.is_dir():
                installed.rename(upper)
            upper.mkdir(exist_ok=True)
            work.mkdir()
            layers = f"lowerdir={MOUNTED}{tree},upperdir={upper},workdir={work}"
            run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.path(tree))])

    def _mask(self, unit: Path) -> None:
        with suppress(FileNotFoundError):
            unit.unlink()
        unit.symlink_to("/dev/null")

    def path(self, inside: str) -> Path:
        """Return the path of a file as seen from outside (not in mounts such as /run and /tmp)."""
        return self.root / inside.lstrip("/")

    def want(self, *units: str) -> None:
        """Start these units at the next boots."""
        wants = self.path("/etc/systemd/system/lab.target.wants")
        wants.mkdir(exist_ok=True)
        for unit in units:
            link = wants / unit
            if not link.is_symlink():
                unit_file = next(
                    p / unit
                    for p in map(Path, ("/etc/systemd/system", "/usr/lib/systemd/system"))
                    if self.path(str(p / unit)).exists()
                )
                link.symlink_to(unit_file)

    def boot(self, *units: str) -> None:
        """Boot and wait until all jobs have finished, successful or not."""
        self.want(*units)
        # nspawn needs the hierarchy that systemd would have mounted, and an otherwise empty group
        if not (CGROUPS / "cgroup.controllers").exists():
            run(["mount", "-t", "cgroup2", "cgroup2", str(CGROUPS)])
        self.boots += 1
        group = CGROUPS / f"lab-{self.name}-{os.getpid()}-{time.monotonic_ns()}"
        group.mkdir()
        log = self.lab.logs / f"{self.name}-systemd-{self.boots}.log"
        argv = [
            *("sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(group)),
            *(
                "systemd-nspawn",
                "--quiet",
                f"--directory={self.root}",
                f"--machine=lab-{self.name}",
            ),
            *("--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{self.name}"),
            # nspawn's default filter lacks Landlock
            "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
            *("--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *("--console=pipe", "--kill-signal=SIGRTMIN+4", "--boot", "systemd.unit=lab.target"),
        ]
        environment = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
        self._process = Process(f"{self.name}: systemd", argv, log, environment)
        wait_until(self._find_leader, "systemd-nspawn's init", BOOT)
        wait_until(self._booted, "systemd to have booted", BOOT)

    def _find_leader(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise LabError(f"systemd-nspawn ended:\n{self._process.tail()}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in children.read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    self._leader = int(pid)
                    return True
        return False

    def _booted(self) -> bool:
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def enter(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` in the system as root."""
        return ["nsenter", f"--target={self._leader}", "--all", "--wd=/", *argv]

    def run(self, *argv: str, **options: Any) -> CompletedProcess[str]:
        """Run a command in the system to its end. Raises LabError if it fails and `check` is true."""
        return run(self.enter(*argv), **{"env": _ENVIRONMENT, **options})

    def popen(self, *argv: str, name: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Start a program in the system; it ends with the lab at the latest."""
        name = name or Path(argv[0]).name
        log = self.lab.logs / f"{self.name}-{name}.log"
        process = Process(f"{self.name}: {name}", self.enter(*argv), log, env or _ENVIRONMENT)
        self.lab.cleanups.append(process.kill)
        return process

    def write(self, inside: str, text: str) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def systemctl(self, *argv: str, **options: Any) -> CompletedProcess[str]:
        """Run systemctl in the system."""
        return self.run("systemctl", "--no-pager", *argv, **{"timeout": BOOT, **options})

    def state(self, unit: str) -> str:
        """Return a unit's state: active, inactive, failed, activating ..."""
        return self.systemctl("is-active", unit, check=False).stdout.strip()

    def start(self, unit: str) -> None:
        """Start a unit. Raises LabError with the unit's journal."""
        if self.systemctl("start", unit, check=False).returncode:
            raise LabError(f"{unit} did not start:\n{self.journal(unit)}")

    def journal(self, unit: str = "", *argv: str) -> str:
        """Return the journal of this boot, of all units or one."""
        of = [f"--unit={unit}"] if unit else []
        return self.run("journalctl", "--no-pager", "--boot", *of, *argv, check=False).stdout

    def shut_down(self) -> None:
        if self._process is not None:
            self._process.stop(BOOT)
            self._process = None

    def close(self) -> None:
        """End the system in any state; copy its journal to the lab's logs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(LabError):
                (self.lab.logs / f"{self.name}-journal.log").write_text(self.journal())
            self._process.signal(15)
            with suppress(LabError):
                self._process.wait(60)
            self._process.kill()
        run(["umount", "--recursive", str(self.root)])
        shutil.rmtree(self.base)


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}
