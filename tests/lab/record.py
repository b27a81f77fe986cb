"""Record captures for the replay tests: real servers and clients in the lab, expected results from conntrack.

    PYTHONPATH=tests .venv/bin/python -m lab.vm --timeout 1200 \
        env PYTHONPATH=tests .venv/bin/python -m lab.record [NAME...]

Writes NAME.pcap and, for protocols that cross the gateway, NAME.truth.jsonl to build/vm/run. They belong in
tests/captures/own. The truth lists each TCP or UDP connection that conntrack reported, except control
connections. The gateway accepts everything and runs none of our code, so that the truth is independent of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import camera, discovery_hosts, rexec, samba, scanner, talk, unpacked
from lab.clients import FTP_CASES, download, mount, read, tftp_get, umount
from lab.discovery_requests import WSD
from lab.process import Process, wait_until
from lab.servers import start_ftp, start_nfs, start_tftp
from lab.topology import CLIENT2, SERVER, Lab

MARK = "the end of the recording"
DISCARD = 9
CONTROL = {"21", "69", "111", "135", "512", "518", "3956", "6566", str(DISCARD)}
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
    """Return the connections of `conntrack -E -e NEW` without the control connections."""
    connections = []
    for line in lines:
        # of equal keys the first: the original direction
        fields = dict(reversed(re.findall(r"(\w+)=(\S+)", line)))
        match = re.search(r"\[NEW\] (tcp|udp) ", line)
        # the callee of talk asks the caller, at the same port
        if match and (fields["dport"] not in CONTROL or fields["src"] in SERVER.values()):
            ends = {
                key: int(fields[key]) if "port" in key else fields[key]
                for key in ("src", "sport", "dst", "dport")
            }
            connections.append({"l4": match[1], **ends})
    return connections


@contextmanager
def capture(
    lab: Lab, ns: str, interface: str, peer: str, name: str, folder: Path
) -> Iterator[None]:
    """Capture the traffic of a block to NAME.pcap; `peer` gets the packet that marks the end."""
    inside = f"/run/lab/{name}.pcap"
    dump = lab.popen(
        *(ns, "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-s", "0"),
        *("-i", interface, "-w", inside, "tcp or udp"),
    )
    dump.wait_line(f"listening on {interface}")
    yield
    # tcpdump writes late, so the last packet is one that can be recognized
    lab.run("c", "bash", "-c", f"echo {MARK} > /dev/udp/{peer}/{DISCARD}")
    file = lab.namespaces[ns].path(inside)
    wait_until(lambda: MARK.encode() in file.read_bytes(), "end of the capture", 60)
    dump.stop()
    shutil.copy(file, folder)


def record_gateway(
    name: str, start: Callable[[Lab], object], run: Callable[[Lab, int], None], folder: Path
) -> None:
    """Record a protocol that crosses the gateway, once for each family."""
    for family in (4,) if name in IP4 else (4, 6):
        with Lab() as lab:
            start(lab)
            lab.nft(OPEN)
            events: Process = lab.popen("g", "conntrack", "-E", "-e", "NEW", name="events")
            lab.namespaces["g"].wait_listening_for_events(events)
            with capture(lab, "g", "lan", SERVER[family], f"{name}-ipv{family}", folder):
                run(lab, family)
            end = f"dport={DISCARD} "
            wait_until(lambda: any(end in line for line in events.lines), "end of the events")  # noqa: B023
            text = "".join(f"{json.dumps(flow)}\n" for flow in flows(events.lines))
            (folder / f"{name}-ipv{family}.truth.jsonl").write_text(text)


def use_nfs(lab: Lab, family: int) -> None:
    for mountproto in ("udp", "tcp"):
        assert mount(lab, mountproto, family).returncode == 0
        read(lab)
        umount(lab)


def use_ftp(lab: Lab, family: int) -> None:
    for way, _ in (case for case in FTP_CASES if case[1] == family):
        assert download(lab, way, family).returncode == 0


def use_tftp(lab: Lab, family: int) -> None:
    for program in ("tftp-hpa", "atftp", "curl"):
        assert tftp_get(lab, program, family).stdout == "served by tftp\n"


def use_sane(lab: Lab, family: int) -> None:
    assert scanner.scan(lab, family).stdout == "P5\n"


def use_dcerpc(lab: Lab, family: int) -> None:
    assert "IPC$" in samba.list_shares(lab, SERVER[family])


def use_gvsp(lab: Lab, family: int) -> None:
    assert camera.take_images(lab)


def start_rexec(lab: Lab) -> None:
    unpacked.fetch("rsh-server")
    rexec.start_rexecd(lab)


def use_rexec(lab: Lab, family: int) -> None:
    client = rexec.rexec(lab)
    client.wait()
    assert client.lines == ["out: out", "err: err"]


def use_talk(lab: Lab, family: int) -> None:
    for person in talk.call(lab):
        person.wait_line("^talked$")


def use_llmnr(lab: Lab) -> None:
    discovery_hosts.start_llmnrd(lab)
    for options in ((), ("-6",)):
        assert CLIENT2[4] in discovery_hosts.look_up_llmnr(lab, "A", *options)


def use_ssdp(lab: Lab) -> None:
    discovery_hosts.start_minidlna(lab)
    assert "Location: " in discovery_hosts.discover_upnp(lab, 5)


def use_dhcpv6(lab: Lab) -> None:
    discovery_hosts.start_dnsmasq(lab)
    client = discovery_hosts.request_lease(lab)
    client.wait_line("RCV: Reply message", 120)
    client.stop()


def use_netbios(lab: Lab) -> None:
    discovery_hosts.start_samba(lab)
    assert discovery_hosts.look_up_netbios(lab)


def use_wsd(lab: Lab) -> None:
    discovery_hosts.start_wsdd(lab)
    answer = discovery_hosts.ask(lab, "239.255.255.250", 3702, WSD)
    assert answer.startswith(f"answer {CLIENT2[4]}")


GATEWAY = {
    "rpc-nfs3": (start_nfs, use_nfs),
    "ftp": (start_ftp, use_ftp),
    "tftp": (start_tftp, use_tftp),
    "sane": (scanner.start_saned, use_sane),
    "dcerpc": (samba.start_samba, use_dcerpc),
    "gvsp": (camera.start_camera, use_gvsp),
    "rexec": (start_rexec, use_rexec),
    "talk": (talk.start_daemons, use_talk),
}
IP4 = ("gvsp", "rexec", "talk")  #: protocols without IPv6
LINK = {
    "llmnr": use_llmnr,
    "ssdp": use_ssdp,
    "dhcpv6": use_dhcpv6,
    "netbios-ns": use_netbios,
    "wsd": use_wsd,
}


def main() -> None:
    folder = Path(os.environ["FWHELPERS_RUN"])
    for name in sys.argv[1:] or [*GATEWAY, *LINK]:
        if name in GATEWAY:
            record_gateway(name, *GATEWAY[name], folder)
        else:
            with Lab() as lab:
                discovery_hosts.wait_link_local(lab, "c", "c2")
                with capture(lab, "c", "eth0", CLIENT2[4], name, folder):
                    LINK[name](lab)
        print(name, flush=True)


if __name__ == "__main__":
    main()
