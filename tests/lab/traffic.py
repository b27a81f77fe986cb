"""Traffic that continues while a test changes the gateway: FTP downloads and NFS mounts in a loop."""

from __future__ import annotations

import sys

from lab import PROGRAMS
from lab.clients import MOUNTPOINT, mount_command
from lab.process import Process
from lab.topology import Lab

_MOUNT_LOOP = """
done=0 failed=0
while [ ! -e /run/lab/end ]; do
    if {mount} && grep -q server {mountpoint}/hello; then done=$((done + 1)); else failed=$((failed + 1)); fi
    umount {mountpoint}
    echo mounts $done
done
echo end $done $failed
"""


def loops(lab: Lab) -> list[Process]:
    """Start FTP downloads on c2 and NFS mounts on c."""
    # under emulation a restart takes tens of seconds, longer than mount.nfs waits for one answer
    mount = " ".join(mount_command(lab, "udp")).replace("retry=0", "retry=5")
    shell = _MOUNT_LOOP.format(mount=mount, mountpoint=MOUNTPOINT)
    ftp = lab.popen("c2", sys.executable, str(PROGRAMS / "ftp_loop.py"), name="ftp-loop")
    nfs = lab.popen("c", "sh", "-c", shell, name="mount-loop")
    return [ftp, nfs]


def progress(running: list[Process]) -> None:
    """Wait until each loop has printed another line."""
    positions = [len(process.lines) for process in running]
    for process, after in zip(running, positions, strict=True):
        process.wait_line(r"^(ftp|mounts) \d", 200, after=after)


def finish(lab: Lab, running: list[Process]) -> list[tuple[int, int]]:
    """End the loops; return for each the numbers of successful and of failed rounds."""
    for name in ("c", "c2"):
        lab.namespaces[name].path("/run/lab/end").touch()
    ends = [process.wait_line(r"^end (\d+) (\d+)", 200) for process in running]
    return [(int(end[1]), int(end[2])) for end in ends]
