"""Traffic that is split in every way, and traffic that means no good, through the gateway's real kernel."""

from __future__ import annotations

import random
import struct
import sys

from lab import PROGRAMS, clients, servers
from lab.process import wait_until
from lab.topology import Lab

PEERS = str(PROGRAMS / "peers.py")
BOTH = "[daemon]\nworkers = 2\n[helpers.ftp]\n[helpers.rpc]\n"
NFS = "100003"


def talk(lab: Lab, *arguments: str) -> str:
    return lab.run("c", sys.executable, PEERS, *arguments, timeout=120).stdout


def expected(lab: Lab) -> str:
    return lab.run("g", "conntrack", "-L", "expect").stdout


def healthy(lab: Lab) -> None:
    """Nothing broke inside, and honest clients are served as before."""
    assert clients.download(lab, "PASV", 4).stdout == "served by ftp\n"
    logs = "".join(text for name, text in lab.report().items() if "fwhelpers" in name)
    assert "Traceback" not in logs


def test_split_traffic_is_understood(lab: Lab) -> None:
    servers.start_ftp(lab)
    servers.start_nfs(lab)
    lab.start_fwhelpers(BOTH)
    assert "data connected" in talk(lab, "drip", "10.0.2.2", "USER ftp", "PASS x")
    for size in ("1", "7", "100"):
        assert "connected" in talk(lab, "rpc", "10.0.2.2", "tcp", NFS, size)
    healthy(lab)


HOSTILE_FTP = [
    b"PORT 10,0,2,9,40,1",  # a third party
    b"PORT 10,0,1,2,0,22",  # a privileged port
    b"PORT 10,0,1,2,13,61",  # 3389
    b"PORT 10,0,1,2,4",
    b"PORT 10,0,1,256,40,1",
    b"PORT +10,0,1,2,40,1",
    b"EPRT |1|10.0.1.2|99999|",
    b"EPRT |2|fd01::2|40000|",
    b"EPRT |1|10.0.1.2|",
    b"\xff\xf4\xff\xf2\x00\x00PORT",
    b"x" * 5000 + b"\r\nPORT 10,0,1,2,40,1",
    b"GET / HTTP/1.1\r\nPORT 10,0,1,2,40,1 HTTP/1.1",
]


def test_hostile_commands_open_nothing(lab: Lab) -> None:
    servers.start_ftp(lab)
    daemon = lab.start_fwhelpers(BOTH)
    spoken = [
        greeting + line + b"\r\n" for greeting in (b"", b"USER ftp\r\n") for line in HOSTILE_FTP
    ]
    talk(lab, "raw", "10.0.2.2", "21", *(line.hex() for line in spoken))
    assert expected(lab).strip() == ""
    for rule in ("G5", "G6"):
        assert any("refused" in line and rule in line for line in daemon.lines), rule
    healthy(lab)


def test_hostile_messages_open_nothing(lab: Lab) -> None:
    servers.start_ftp(lab)
    servers.start_nfs(lab)
    lab.start_fwhelpers(BOTH)
    dice = random.Random(2049)
    good = struct.pack("!14I", 9, 0, 2, 100000, 2, 3, 0, 0, 0, 0, int(NFS), 3, 6, 0)
    # not the last word of a call, and a first word that makes it an answer: rpcbind stays silent
    bad = [good[:size] for size in range(0, len(good) - 4, 3)]
    bad += [struct.pack("!I", 9) + struct.pack("!I", 1) + good[8:]]
    bad += [dice.randbytes(dice.randrange(1, 200)) for _ in range(30)]
    talk(lab, "datagrams", "10.0.2.2", "111", *(message.hex() for message in bad))
    records = [struct.pack("!I", 1 << 31 | len(message)) + message for message in bad[-10:]]
    records += [b"\xff\xff\xff\xff" + bytes(100), b"\x80\x00\x00\x00" * 50]
    talk(lab, "raw", "10.0.2.2", "111", *(record.hex() for record in records))
    assert expected(lab).strip() == ""
    for l4 in ("udp", "tcp"):
        assert "connected" in talk(lab, "rpc", "10.0.2.2", l4, NFS, "100")
    wait_until(lambda: "dport=2049" in expected(lab), "the honest call's expectation")
    healthy(lab)
