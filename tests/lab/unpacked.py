"""Programs of Debian packages that are unpacked into build/ instead of installed; the virtual machine sees them.

pure-ftpd and vsftpd can't be installed beside each other, nor can the servers of rsh. Of prometheus
only promtool is used: the package with its dependencies takes 332 MB when installed, 217 MB of them
time zones in JavaScript, and 96 MB when unpacked.

python -m lab.unpacked PACKAGE
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from lab.process import LabError, run

FOLDER = Path(__file__).resolve().parents[2] / "build" / "unpacked"

PURE_FTPD = FOLDER / "pure-ftpd" / "usr/sbin/pure-ftpd"
REXECD = FOLDER / "rsh-server" / "usr/sbin/in.rexecd"

#: package by the fixture of tests that need it
PACKAGES = {"pure_ftpd": "pure-ftpd", "rexecd": "rsh-server"}


def fetch(package: str) -> None:
    """Download and unpack a package unless that was done. Raises LabError."""
    folder = FOLDER / package
    if folder.exists():
        return
    new = FOLDER / f"{package}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    run(["sh", "-c", 'cd "$0" && apt-get download -q "$1"', str(new), package], timeout=300)
    archives = list(new.glob("*.deb"))
    if len(archives) != 1:
        raise LabError(f"apt-get download {package} brought {len(archives)} archives")
    run(["dpkg", "-x", str(archives[0]), str(new)])
    archives[0].unlink()
    new.rename(folder)


if __name__ == "__main__":
    fetch(sys.argv[1])
