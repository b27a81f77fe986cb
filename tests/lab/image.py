"""Our packages, installed by dpkg on top of this machine's own files: made once, before the VM boots.

What dpkg and the maintainer scripts write is the layer that the lab's systems (system.py) start from. The machine
itself stays as it is; installing in the VM would take minutes under emulation.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.process import LabError, run

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "build" / "layer"
BUILD = ROOT / "packaging" / "build-deb"

_INSTALL = """
set -e
mkdir "$1/root" "$1/memory"
mount -t tmpfs tmpfs "$1/memory" # an upper layer can't be on any file system
mkdir "$1/memory/upper" "$1/memory/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mkdir -p "$1/root/run/debs"
cp "${@:2}" "$1/root/run/debs"
chroot "$1/root" sh -c 'PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive dpkg -i /run/debs/*.deb'
cp -a "$1/memory/upper" "$1/upper"
"""


def make(packages: Sequence[Path], folder: Path = LAYER) -> Path:
    """Install these packages into the layer, unless that is what it has. Needs root. Raises LabError."""
    stamp = "\n".join(hashlib.sha256(p.read_bytes()).hexdigest() for p in packages)
    done = folder / "made-from"
    if done.exists() and done.read_text() == stamp:
        return folder / "upper"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # a mount namespace of its own: whatever happens, no mount is left behind
    names = [str(path) for path in packages]
    run(["unshare", "--mount", "bash", "-c", _INSTALL, "layer", str(folder), *names], timeout=300)
    done.write_text(stamp)
    return folder / "upper"


def packages() -> list[Path]:
    """Our Debian packages, built if they are not. Raises LabError."""
    return [Path(line) for line in run([str(BUILD)], timeout=600).stdout.split()]


def made(folder: Path = LAYER) -> Path:
    """The layer that was made before. Raises LabError if none was."""
    if not (folder / "made-from").exists():
        raise LabError("our packages are not installed anywhere (layer.make)")
    return folder / "upper"
