"""Our packages, installed on top of this machine's files in a layer that is created before the VM boots.

The layer contains what dpkg and the maintainer scripts write. The lab's systems (system.py) start from it. This machine
is not changed. Installing in the VM would take minutes under emulation.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
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


def make_layer(packages: Sequence[Path], folder: Path = LAYER) -> Path:
    """Install packages into the layer unless it has them already. Needs root. Raises LabError."""
    stamp = "\n".join(hashlib.sha256(p.read_bytes()).hexdigest() for p in packages)
    stamp_file = folder / "made-from"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return folder / "upper"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # in a separate mount namespace, so that no mount is left behind
    names = [str(path) for path in packages]
    run(["unshare", "--mount", "bash", "-c", _INSTALL, "layer", str(folder), *names], timeout=300)
    stamp_file.write_text(stamp)
    return folder / "upper"


def packages() -> list[Path]:
    """Build our Debian packages if they are not current, and return the systems'. Raises LabError."""
    return without_cockpit(map(Path, run([str(BUILD)], timeout=600).stdout.split()))


def without_cockpit(debs: Iterable[Path]) -> list[Path]:
    """Leave out the page for Cockpit, which the systems do not have."""
    return [deb for deb in debs if not deb.name.startswith("cockpit-")]


def find_layer(folder: Path = LAYER) -> Path:
    """Return the layer. Raises LabError if `make_layer` has not run."""
    if not (folder / "made-from").exists():
        raise LabError("our packages are not installed in a layer (make_layer)")
    return folder / "upper"
