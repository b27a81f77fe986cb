#!/bin/bash
# Title: zeroconf answers a one-shot mDNS query with lifetimes of up to 75 minutes.
# Version: zeroconf 0.154.0
# Guess: a query from another port than 5353 is answered as RFC 6762 §6.7 describes: by unicast, with the query's id
#        and question, without the cache-flush bit, and with lifetimes of at most ten seconds.
# Seen: all of that but the lifetimes, which are 4500 and 120 seconds (2026-11-30).
# Here: the mdns helper reads no lifetimes. A client that keeps the records that long misses the changes, which go to
#       the group alone.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips zeroconf==0.154.0
cat >"$work/ask.py" <<'END'
import socket
import struct
import subprocess

from zeroconf import DNSIncoming, ServiceInfo, Zeroconf

OWN, GROUP = "192.0.2.1", "224.0.0.251"
for command in ("link set lo up multicast on", "address add 192.0.2.1/24 dev lo", "route add 224.0.0.0/4 dev lo"):
    subprocess.run(["ip", *command.split()], check=True)
name = b"".join(bytes([len(label)]) + label for label in (b"_ipp", b"_tcp", b"local")) + b"\0"
question = struct.pack(">6H", 0x1234, 0, 1, 0, 0, 0) + name + struct.pack(">HH", 12, 1)
zeroconf = Zeroconf(interfaces=[OWN])
address = socket.inet_aton(OWN)
zeroconf.register_service(
    ServiceInfo("_ipp._tcp.local.", "p._ipp._tcp.local.", port=631, addresses=[address], server="h.local.")
)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.bind((OWN, 0))
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(OWN))
    client.settimeout(10)
    client.sendto(question, (GROUP, 5353))
    answer = DNSIncoming(client.recv(9000))
lifetimes = sorted({record.ttl for record in answer.answers()})
flush = any(record.unique for record in answer.answers())
print(f"id {answer.id:x}, questions {len(answer.questions)}, lifetimes {lifetimes}, cache-flush {flush}")
zeroconf.close()
END
expect "answer" "id 1234, questions 1, lifetimes [120, 4500], cache-flush False" \
    "$(in_namespace "$python" "$work/ask.py")"
finish
