#!/bin/bash
# Title: async-upnp-client's search over IPv6 has the sender's own interface number in HOST.
# Version: async-upnp-client 0.49.0
# Guess: HOST: [FF02::C]:1900, the group as UPnP writes it.
# Seen: HOST:[ff02::c%3]:1900 for interface number 3; RFC 4007 §11.2 gives a zone index no meaning outside of its host.
#       Over IPv4 it is 239.255.255.250:1900 (2026-11-30).
# Here: the SSDP helper does not read HOST; the datagram's own destination counts.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips async-upnp-client==0.49.0
cat >"$work/search.py" <<'END'
import asyncio
import re
import socket
import subprocess
import threading

from async_upnp_client.search import async_search

SETUP = """link set lo up
link add v0 type veth peer name v1
link set v0 addrgenmode none up
link set v1 addrgenmode none up
address add 192.0.2.1/24 dev v0
address add fe80::1/64 dev v0 nodad
route add 239.0.0.0/8 dev v0
"""
subprocess.run(["ip", "-batch", "-"], input=SETUP, text=True, check=True)
index = socket.if_nametoindex("v0")
hosts = []


def receive(sock):
    sock.settimeout(10)
    hosts.extend(re.findall(r"(?im)^HOST: *(\S+)", sock.recv(2000).decode()))


def search(source, target):
    async def callback(_):
        pass

    asyncio.run(async_search(callback, timeout=1, source=source, target=target))


four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.bind(("239.255.255.250", 1900))
member = socket.inet_aton("239.255.255.250") + socket.inet_aton("192.0.2.1")
four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(("ff02::c", 1900, 0, index))
member = socket.inet_pton(socket.AF_INET6, "ff02::c") + index.to_bytes(4, "little")
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
for sock, source, target in (
    (four, ("192.0.2.1", 0), ("239.255.255.250", 1900)),
    (six, ("fe80::1", 0, 0, index), ("ff02::c", 1900, 0, index)),
):
    thread = threading.Thread(target=receive, args=(sock,))
    thread.start()
    search(source, target)
    thread.join()
print(*[host.replace(f"%{index}", "%OWN") for host in hosts])
END
expect "HOST, OWN for the number of the interface" "239.255.255.250:1900 [ff02::c%OWN]:1900" "$(in_namespace "$python" "$work/search.py")"
finish
