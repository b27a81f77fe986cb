"""talk: netkit's daemons at both ends, and two people, of whom the one on c calls the one on s."""

from __future__ import annotations

import sys

from lab import PROGRAMS
from lab.process import Process
from lab.topology import Lab

PORT = 518


def start_daemons(lab: Lab) -> None:
    for ns in ("c", "s"):
        program = (sys.executable, str(PROGRAMS / "inetd.py"), "0.0.0.0", f"{PORT}/udp")
        lab.popen(ns, *program, "/usr/sbin/in.ntalkd", name="ntalkd").wait_line("^listening$")


def call(lab: Lab) -> tuple[Process, Process]:
    """Let one call the other; return both. They print `connected` and `talked`, and go on."""
    talker = (sys.executable, str(PROGRAMS / "talker.py"))
    callee = lab.popen("s", *talker, "wait", name="callee")
    callee.wait_line("^waiting$")
    return lab.popen("c", *talker, "call", f"root@{lab.target()}", name="caller"), callee
