"""Real discovery servers on c2 and the programs with which c searches for them.

Debian 12's snmpd answers a broadcast request from the broadcast address, which fails. Debian 12 has no
slpd and no LocalSend, and KDE Connect needs a desktop. `tests/support/programs/discoverers.py` stands
in for these. dig cannot query avahi, because it accepts answers from 224.0.0.251 only.
"""

from __future__ import annotations

import sys

from lab import PROGRAMS
from lab.process import Process, wait_until
from lab.topology import CLIENT2, Lab

PEERS = (sys.executable, str(PROGRAMS / "discoverers.py"))

_MINIDLNA = """
network_interface=eth0
port=8200
media_dir=/run/lab/media
db_dir=/run/lab/db
log_dir=/run/lab/db
friendly_name=answerer
inotify=no
root_container=B
"""
_DNSMASQ = (
    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0"),
    *("--dhcp-range=fd01::100,fd01::1ff,64,1h", "--dhcp-leasefile=/run/lab/leases", "--user=root"),
    *("--log-dhcp", "--log-facility=-", "--pid-file="),
)
_SAMBA = """
[global]
netbios name = ANSWERER
workgroup = LAB
interfaces = 10.0.1.3/24
bind interfaces only = yes
lock directory = /run/samba
state directory = /run/samba
cache directory = /run/samba
pid directory = /run/samba
private dir = /run/samba
"""
_AVAHI = """
[server]
host-name=answerer
allow-interfaces=eth0
enable-dbus=no
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
"""
_NMBLOOKUP = ("nmblookup", "-s", "/run/lab/smb.conf", "-B", "10.0.1.255", "ANSWERER")
_LLMNR_QUERY = ("llmnr-query", "-I", "eth0", "-c", "4", "-i", "3000", "-t", "3000")


def wait_link_local(lab: Lab, *namespaces: str) -> None:
    """Wait until eth0 of each namespace has a link-local address that is no longer tentative."""

    def ready(ns: str) -> bool:
        listing = lab.run(ns, "ip", "-6", "address", "show", "dev", "eth0").stdout
        return "fe80::" in listing and "tentative" not in listing

    for ns in namespaces:
        wait_until(lambda ns=ns: ready(ns), f"link-local address of {ns}")


def start_minidlna(lab: Lab) -> None:
    server = lab.namespaces["c2"]
    server.run("mkdir", "-p", "/run/lab/media", "/run/lab/db")
    server.path("/run/lab/minidlna.conf").write_text(_MINIDLNA)
    server.popen("minidlnad", "-S", "-f", "/run/lab/minidlna.conf", "-P", "/run/lab/pid")
    server.wait_listening("udp", 1900)
    server.wait_listening("tcp", 8200)


def start_llmnrd(lab: Lab) -> None:
    lab.popen("c2", "llmnrd", "-H", "answerer", "-i", "eth0", "-6")
    lab.namespaces["c2"].wait_listening("udp", 5355)


def start_dnsmasq(lab: Lab) -> None:
    lab.popen("c2", *_DNSMASQ).wait_line("DHCPv6, IP range", 60)


def start_samba(lab: Lab) -> None:
    """Start nmbd on c2, and configure nmblookup on c."""
    for ns in ("c", "c2"):
        lab.run(ns, "mkdir", "-p", "/run/samba")
        lab.namespaces[ns].path("/run/lab/smb.conf").write_text(_SAMBA)
    lab.popen("c2", "nmbd", "-F", "--no-process-group", "-s", "/run/lab/smb.conf", "--debug-stdout")
    wait_until(lambda: look_up_netbios(lab, "c2"), "nmbd answers", 60)


def start_avahi(lab: Lab) -> None:
    lab.namespaces["c2"].path("/run/lab/avahi.conf").write_text(_AVAHI)
    options = ("--no-drop-root", "--no-chroot", "--no-rlimits", "-f", "/run/lab/avahi.conf")
    lab.popen("c2", "avahi-daemon", *options).wait_line("Server startup complete", 60)


def start_wsdd(lab: Lab) -> None:
    lab.popen("c2", "wsdd", "-4", "-i", "eth0", "-n", "ANSWERER", "-v").wait_line("joined", 60)


def look_up_netbios(lab: Lab, ns: str = "c") -> bool:
    """Return whether nmblookup gets an answer to its broadcast; no firewall blocks it on c2."""
    return f"{CLIENT2[4]} ANSWERER" in lab.run(ns, *_NMBLOOKUP, check=False).stdout


def look_up_llmnr(lab: Lab, kind: str, *options: str) -> str:
    return lab.run("c", *_LLMNR_QUERY, "-T", kind, *options, "answerer", check=False).stdout


def request_lease(lab: Lab) -> Process:
    return lab.popen(
        *("c", "dhclient", "-6", "-1", "-d", "-v", "-sf", "/bin/true"),
        *("-lf", "/run/lab/leases6", "-pf", "/run/lab/dhclient.pid", "eth0"),
    )


def discover_upnp(lab: Lab, seconds: int) -> str:
    command = ("gssdp-discover", "-i", "eth0", "-n", str(seconds), "-t", "upnp:rootdevice")
    return lab.run("c", "timeout", "60", *command, check=False, timeout=seconds + 75).stdout


def ask(lab: Lab, group: str, port: int, request: bytes, seconds: int = 20) -> str:
    """Send a request to a group from any port of c; return the first answer, or "silence"."""
    words = ("4", group, str(port), "0", request.hex(), str(seconds))
    return lab.run("c", *PEERS, "ask", *words, timeout=seconds + 30).stdout.strip()
