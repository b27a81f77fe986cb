"""Samba's endpoint mapper and RPC services at dynamic ports, and rpcclient.

The services are in one range of ports of their own: at the usual one, from 49152 on, the lab's UPnP devices are.
"""

from __future__ import annotations

from lab.process import Process
from lab.topology import Lab

DCERPCD = "/usr/libexec/samba/samba-dcerpcd"
CONFIG = "/run/lab/smb.conf"
_CONFIG = """
[global]
workgroup = LAB
netbios name = SERVER
rpc start on demand helpers = no
rpc server dynamic port range = 50000-50100
map to guest = bad user
log file = /run/samba/log
lock directory = /run/samba
state directory = /run/samba
cache directory = /run/samba
pid directory = /run/samba
private dir = /run/samba/private
ncalrpc dir = /run/samba/ncalrpc
"""


def start_samba(lab: Lab) -> Process:
    """Start the mapper on port 135 of s, with services at ports from 50000 on, and open the port."""
    lab.open("tcp", 135)
    for ns in ("c", "s"):
        lab.run(ns, "mkdir", "-p", "/run/samba/private", "/run/samba/ncalrpc")
        lab.namespaces[ns].path(CONFIG).write_text(_CONFIG)
    daemon = lab.popen("s", DCERPCD, "-F", "-s", CONFIG, "--libexec-rpcds", name="samba-dcerpcd")
    for family in (4, 6):
        for port in (135, 50000):
            lab.namespaces["s"].wait_listening("tcp", port, family)
    return daemon


def list_shares(lab: Lab, host: str, timeout: int = 60) -> str:
    """Ask the server's service `srvsvc`, whose port the mapper knows, for its shares; return the output."""
    command = ("rpcclient", "-s", CONFIG, "-U%", "-c", "netshareenumall", f"ncacn_ip_tcp:{host}")
    wait = ("timeout", str(timeout))
    return lab.run("c", *wait, *command, check=False, timeout=timeout + 60).stdout
