"""Traffic that goes on while something is done to the gateway: FTP sessions and NFS mounts, and what became of them."""

from __future__ import annotations

import sys

from lab.clients import mount_command
from lab.process import Process
from lab.topology import Lab

#: counts what worked and what did not, until /run/lab/end is there
_FTP_LOOP = """
import ftplib, os, sys, io
done = failed = 0
passive = True
while not os.path.exists("/run/lab/end"):
    try:
        with ftplib.FTP("10.0.2.2", "ftp", "x", timeout=150) as ftp:
            ftp.set_pasv(passive)
            for _ in range(3):
                got = io.BytesIO()
                ftp.retrbinary("RETR hello", got.write)
                assert got.getvalue() == b"served by ftp\\n", got.getvalue()
                done += 1
    except Exception as error:
        failed += 1
        print("failed:", type(error).__name__, error, flush=True)
    passive = not passive
    print("ftp", done, flush=True)
print("end", done, failed, flush=True)
"""
_MOUNT_LOOP = """
done=0 failed=0
while [ ! -e /run/lab/end ]; do
    if {mount} && grep -q server {where}/hello; then done=$((done + 1)); else failed=$((failed + 1)); fi
    umount {where}
    echo mounts $done
done
echo end $done $failed
"""


def loops(lab: Lab) -> list[Process]:
    """FTP sessions and NFS mounts, one after the other, without end."""
    # emulated, a restart takes tens of seconds, longer than mount.nfs waits for one answer
    mount = " ".join(mount_command(lab, "udp")).replace("retry=0", "retry=5")
    shell = _MOUNT_LOOP.format(mount=mount, where="/run/mnt")
    ftp = lab.popen("c2", sys.executable, "-c", _FTP_LOOP, name="ftp-loop")
    nfs = lab.popen("c", "sh", "-c", shell, name="mount-loop")
    return [ftp, nfs]


def progress(running: list[Process]) -> None:
    """Wait until each has done something more."""
    seen = [len(process.lines) for process in running]
    for process, after in zip(running, seen, strict=True):
        process.wait_line(r"^(ftp|mounts) \d", 200, after=after)


def finish(lab: Lab, running: list[Process]) -> list[tuple[int, int]]:
    """End them; returns how many were done, how many failed."""
    for name in ("c", "c2"):
        lab.namespaces[name].path("/run/lab/end").touch()
    ends = [process.wait_line(r"^end (\d+) (\d+)", 200) for process in running]
    return [(int(end[1]), int(end[2])) for end in ends]
