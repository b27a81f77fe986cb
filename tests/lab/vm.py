"""Boot a suitable kernel with the host's files under qemu's software emulation (virtme-ng).

    python -m lab.vm [--kernel VMLINUZ] [--force] [--timeout S] COMMAND ...

runs COMMAND directly if the running kernel is suitable, and in the VM otherwise. KVM is never used, because /dev/kvm
may exist and hang.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.rootfs import make as make_files

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "vm"
GUEST = "/run/fwlab"  #: the run's directory in the VM
CPUS = 2
#: environment variables that commands in the VM see
_PASSED = ("CI", "TERM", "COLUMNS", "FWHELPERS_CALLS", "FWHELPERS_TAKEOVERS")

# udev would load these unused modules, and each costs seconds under emulation
_UNUSED = (
    "kvm kvm_amd kvm_intel ccp ahci libata sr_mod sg psmouse pcspkr i2c_i801 lpc_ich iTCO_wdt i6300esb evdev"
    " powernow_k8 aesni_intel ghash_clmulni_intel sha512_ssse3 sha256_ssse3 sha1_ssse3 crct10dif_pclmul cryptd"
)

_DEVICES = ("virtio-9p-pci", "virtio-blk-pci", "virtio-serial-pci")


def running_kernel_lacks() -> str:
    """Return what the running kernel lacks for the lab, found by probing; empty if nothing."""
    if os.environ.get("FWHELPERS_INSIDE"):
        return ""
    if os.geteuid() != 0:
        return "not root"
    try:
        from fwhelpers.kernel.probe import probe

        missing = [finding.name for finding in probe() if not finding.ok]
    except Exception as error:
        return f"probing failed: {error}"
    with_nfs = subprocess.run(["modprobe", "-n", "-q", "nfsd"], check=False).returncode == 0
    return ", ".join(missing) or ("" if with_nfs else "no NFS server in this kernel")


def find_kernel() -> Path:
    """Return the kernel to boot: FWHELPERS_KERNEL, or the newest installed one with modules."""
    chosen = os.environ.get("FWHELPERS_KERNEL")
    if chosen:
        return Path(chosen)
    kernels = [
        path
        for path in Path("/boot").glob("vmlinuz-*")
        if Path("/lib/modules", path.name.removeprefix("vmlinuz-")).is_dir()
    ]
    if not kernels:
        raise FileNotFoundError("no kernel in /boot (apt-get install linux-image-amd64)")
    return max(kernels, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])


def modules_of(kernel: Path) -> Path | None:
    """Return the modules of an unpacked kernel; None for an installed one."""
    release = kernel.name.removeprefix("vmlinuz-")
    if kernel.parent == Path("/boot"):
        return None
    for base in (kernel.parent.parent / "lib/modules", kernel.parent.parent / "usr/lib/modules"):
        if (base / release).is_dir():
            return base / release
    raise FileNotFoundError(f"no modules beside {kernel}")


def compiled_modules() -> Path:
    """Compile the modules if they are not current; return the folder to import them from."""
    command = [ROOT / "tools/compile", ROOT]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


class Machine:
    """One boot that runs one command. Runs of this project wait for each other.

    `terminal` gives the command this program's terminal and no time limit. `shared` maps paths in the VM to further
    directories. `files` is an image (rootfs.py) that other machines share.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        timeout: float,
        kernel: Path | None = None,
        terminal: bool = False,
        shared: Mapping[str, Path] | None = None,
        cpus: int = CPUS,
        files: Path | None = None,
    ) -> None:
        self.directory = BUILD / name
        self.kernel = kernel or find_kernel()
        self._timeout = timeout
        self._terminal = terminal
        self._cpus = cpus
        self._shared = {GUEST: self.directory, **(shared or {})}
        self._lock: IO[str] | None = None
        self._prepare(command)
        self._files = files or make_files(self.directory / "files.ext4")

    def _prepare(self, command: Sequence[str]) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        modules = modules_of(self.kernel)
        environment = {"FWHELPERS_ROOT": ROOT, "FWHELPERS_MODULES": modules or ""}
        lines = [f"{key}={shlex.quote(str(value))}" for key, value in environment.items()]
        (self.directory / "environment").write_text("\n".join(lines) + "\n")
        passed = {k: v for k, v in os.environ.items() if k in _PASSED}
        if os.environ.get("FWHELPERS_COMPILED") == "1":
            passed |= {"PYTHONPATH": str(compiled_modules()), "PYTHONSAFEPATH": "1"}
        exports = [f"export {key}={shlex.quote(value)}" for key, value in passed.items()]
        (self.directory / "command").write_text("\n".join([*exports, shlex.join(command)]) + "\n")

    def _argv(self) -> list[str]:
        vng = Path(sys.executable).parent / "vng"
        share = "local,id=fwcached,path=/,security_model=none,readonly=on,multidevs=remap"
        device = "virtio-9p-pci,fsdev=fwcached,mount_tag=fwcached"
        drive = f"if=virtio,format=raw,readonly=on,file={self._files}"
        guest = [str(ROOT / "tests/lab/guest.sh"), GUEST]
        limit = ["timeout", "--kill-after=5", str(int(self._timeout))]
        return [
            *([] if self._terminal else limit),
            *(str(vng), "--disable-kvm", "--force-9p", "--run", str(self.kernel)),
            *("--cpus", str(self._cpus), "--memory", "2G", "--user", "root"),
            # the emulated time stamp counter is the host's, and far cheaper to read than the timer chips
            *("--append", "tsc=reliable"),
            # programs at the same addresses keep their translated code; pages that are written anyway are not zeroed
            *("--append", "norandmaps"),
            *("--append", "init_on_alloc=0", "--append", "transparent_hugepage=madvise"),
            *("--append", "mitigations=off", "--append", "cryptomgr.notests"),
            *("--append", "modprobe.blacklist=" + ",".join(_UNUSED.split())),
            *(f"--rwdir={inside}={outside}" for inside, outside in self._shared.items()),
            # handle requests in the requesting thread; otherwise the emulator's loop takes a tenth of the time
            *(f"--qemu-opts=-global {device}.ioeventfd=off" for device in _DEVICES),
            f"--qemu-opts=-fsdev {share} -device {device} -drive {drive}",
            # without a command, virtme-ng starts a shell on the console
            *(["--shell", guest[0]] if self._terminal else ["--", "bash", *guest]),
        ]

    def start(self, stdout: IO[bytes] | None = None, beside: bool = False) -> None:
        """Boot, with output to `stdout`. `beside`: while another machine of this run is active."""
        if not beside:
            self._wait_turn()
        bins = [str(Path(sys.executable).parent), "/usr/sbin", "/sbin", os.environ.get("PATH", "")]
        self._process = subprocess.Popen(
            self._argv(),
            stdin=None if self._terminal else subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout else None,
            cwd=ROOT,
            env={**os.environ, "PATH": ":".join(bins)},
            start_new_session=not self._terminal,
        )

    def _wait_turn(self) -> None:
        self._lock = (BUILD / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: waiting for another machine to end", file=sys.stderr, flush=True)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for the end; return the command's status, or 255 if the command did not end."""
        self._process.wait()
        if self._lock is not None:
            self._lock.close()
        try:
            return int((self.directory / "status").read_text())
        except (OSError, ValueError):
            return 255

    def stop(self) -> None:
        """Kill the machine."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="run a command where the kernel can do it")
    parser.add_argument("--kernel", type=Path, help="a vmlinuz, its modules beside it")
    parser.add_argument(
        "--force", action="store_true", help="boot even if the running kernel would do"
    )
    parser.add_argument("--terminal", action="store_true", help="the command needs the terminal")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--name", default="run", help="folder under build/vm")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    why = running_kernel_lacks()
    if not why and not arguments.force and not arguments.kernel:
        return subprocess.run(arguments.command, check=False, cwd=ROOT).returncode
    machine = Machine(
        arguments.name,
        arguments.command,
        timeout=arguments.timeout,
        kernel=arguments.kernel,
        terminal=arguments.terminal,
    )
    if why:
        print(f"lab: the running kernel will not do, it lacks: {why}", file=sys.stderr)
    print(f"lab: booting {machine.kernel.name} under emulation", file=sys.stderr, flush=True)
    machine.start()
    try:
        return machine.wait()
    except KeyboardInterrupt:
        machine.stop()
        return 130


if __name__ == "__main__":
    sys.exit(main())
