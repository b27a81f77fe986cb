"""Record captures for the replay tests: real servers and clients in the lab, the truth from conntrack.

    .venv/bin/python tests/vm/machine.py .venv/bin/python tests/vm/record.py

Leaves NAME.pcap (the gateway's inner side) and NAME.truth.jsonl in build/vm/run, to be moved to tests/captures/own. The
truth is each TCP or UDP connection that conntrack saw begin, the control connections left out. The gateway lets
everything pass and none of our code runs on it, so that the truth owes nothing to us.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from lab.clients import FTP_CASES, download, mount, read, umount
from lab.process import wait_until
from lab.servers import start_ftp, start_nfs
from lab.topology import SERVER, Lab

MARK = "the end of the recording"
CONTROL = {"21", "111", "9"}
OPEN = """
flush ruleset
table inet open {
    chain forward {
        type filter hook forward priority 0; policy accept;
        ct state new accept
    }
}
"""


def flows(lines: list[str]) -> list[dict[str, str | int]]:
    """The connections of `conntrack -E -e NEW`."""
    found = []
    for line in lines:
        words = dict(
            reversed(re.findall(r"(\w+)=(\S+)", line))
        )  # of equal keys the first: original direction
        match = re.search(r"\[NEW\] (tcp|udp) ", line)
        if match and words["dport"] not in CONTROL:
            ends = {
                k: int(words[k]) if "port" in k else words[k]
                for k in ("src", "sport", "dst", "dport")
            }
            found.append({"l4": match[1], **ends})
    return found


def record(where: Path, name: str, family: int) -> None:
    """One capture and its truth."""
    with Lab() as lab:
        (start_nfs if name.startswith("rpc") else start_ftp)(lab)
        lab.nft(OPEN)
        events = lab.popen("g", "conntrack", "-E", "-e", "NEW", name="events")
        inside = f"/run/lab/{name}.pcap"
        dump = lab.popen(
            "g",
            "tcpdump",
            "-Z",
            "root",
            "-U",
            "--immediate-mode",
            "-s",
            "400",
            "-i",
            "lan",
            "-w",
            inside,
            "tcp or udp",
        )
        dump.wait_line("listening on lan")
        if name.startswith("rpc"):
            for mountproto in ("udp", "tcp"):
                assert mount(lab, mountproto, family).returncode == 0
                read(lab)
                umount(lab)
        else:
            for way, _ in (case for case in FTP_CASES if case[1] == family):
                assert download(lab, way, family).returncode == 0
        # tcpdump lags behind, so the last packet is one that can be recognised
        lab.run("c", "bash", "-c", f"echo {MARK} > /dev/udp/{SERVER[family]}/9")
        written = lab.namespaces["g"].path(inside)
        wait_until(lambda: MARK.encode() in written.read_bytes(), "tcpdump has written all", 60)
        wait_until(lambda: any("dport=9 " in line for line in events.lines), "conntrack told all")
        dump.stop()
        shutil.copy(lab.namespaces["g"].path(inside), where)
        text = "\n".join(map(json.dumps, flows(events.lines)))
        (where / f"{name}.truth.jsonl").write_text(text + "\n")


if __name__ == "__main__":
    target = Path(os.environ["FWHELPERS_RUN"])
    for name, family in (
        ("rpc-nfs3-ipv4", 4),
        ("rpc-nfs3-ipv6", 6),
        ("ftp-ipv4", 4),
        ("ftp-ipv6", 6),
    ):
        record(target, name, family)
        print(name, flush=True)
