"""rexec: netkit's server on s, and the C library's client on c."""

from __future__ import annotations

import sys

from lab import PROGRAMS
from lab.process import Process
from lab.topology import CLIENT, OUTER, Lab
from lab.unpacked import REXECD

#: passwords do not matter here; the server refuses hosts without a name
_FILES = f"""
echo '{CLIENT[4]} client' >/run/hosts
echo '{OUTER[4]} gateway' >>/run/hosts
mount --bind /run/hosts /etc/hosts
mkdir /run/pam.d
for kind in auth account session; do echo "$kind required pam_permit.so"; done >/run/pam.d/rexec
mount --bind /run/pam.d /etc/pam.d
"""


def start_rexecd(lab: Lab) -> None:
    """Start the server, which knows IPv4 alone. Its package must have been unpacked."""
    lab.open("tcp", 512)
    lab.run("s", "sh", "-c", _FILES)
    inetd = (sys.executable, str(PROGRAMS / "inetd.py"))
    server = lab.popen("s", *inetd, "0.0.0.0", "512", str(REXECD), name="rexecd")
    server.wait_line("^listening$")


def rexec(lab: Lab) -> Process:
    """Run a command; it prints `out: out` and `err: err`, the latter by the second connection."""
    program = str(PROGRAMS / "rexec_client.py")
    return lab.popen("c", sys.executable, program, lab.target(), "echo out; echo err >&2")
