"""What stands around Amanda's own programs: inetd before amandad, driver and taper behind dumper; and a requester and
its answerer of our own.

Runs in a namespace as `python amanda_peer.py ROLE …`, one line of output for each thing that happened.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
from typing import Any

#: as whom Debian runs Amanda
USER: dict[str, Any] = {"user": "backup", "group": "backup", "extra_groups": ["disk", "tape"]}
FEATURES = "ffffffff9efefbfffffffffffffff3fffbf71f"  #: of Amanda 3.5
DISK = "/srv/disk"
HEADER = 32768  #: bytes before a dump on tape


def say(*words: object) -> None:
    print(*words, flush=True)


def inetd(host: str) -> None:
    """Start amandad for each request that comes, as inetd.conf's `dgram udp wait` does."""
    with socket.socket(_family(host), socket.SOCK_DGRAM) as sock:
        sock.bind((host, 10080))
        while True:
            select.select([sock], [], [])
            command = ["/usr/lib/amanda/amandad", "-auth=bsd", "amdump"]
            done = subprocess.run(command, stdin=sock, stdout=sock, check=False, **USER)
            say("amandad ended with", done.returncode)


def dump(host: str) -> None:
    """Let dumper fetch a disk of the host, and take what it would put on tape."""
    with socket.create_server(("127.0.0.1", 0)) as tape:
        threading.Thread(target=_taper, args=[tape], daemon=True).start()
        command = ["/usr/lib/amanda/dumper", "lab", "--log-filename", "/var/log/amanda/log"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes, **USER) as dumper:
            assert dumper.stdin
            assert dumper.stdout
            dumper.stdin.write(f"START 20260101000000\n{_port_dump(host, tape.getsockname()[1])}\n")
            dumper.stdin.flush()
            for line in dumper.stdout:
                say("dumper:", line.rstrip())
                if line.startswith(("DONE", "FAILED", "TRY-AGAIN")):
                    dumper.stdin.write("QUIT\n")
                    dumper.stdin.close()


def _port_dump(host: str, port: int) -> str:
    options = "<auth>bsd</auth><record>NO</record><index>YES</index><datapath>AMANDA</datapath>"
    words = [
        "PORT-DUMP", "00-00001", str(port), "127.0.0.1", "1", host, FEATURES, DISK, DISK, "0", "1970:1:1:0:0:0",
        "GNUTAR", "", "backup", *[""] * 5, "0", "10080", "", "bsd", "AMANDA", f"127.0.0.1:{port}", "20", f"  {options}",
    ]  # fmt: skip
    return " ".join(word if word and " " not in word else f'"{word}"' for word in words)


def _taper(tape: socket.socket) -> None:
    """The dump's header comes in one connection, which stays open, its data in the next."""
    header, _ = tape.accept()
    with header:
        size = 0
        while size < HEADER and (more := header.recv(65536)):
            size += len(more)
        say("header", size)
        data, _ = tape.accept()
        with data:
            size = 0
            while more := data.recv(65536):
                size += len(more)
    say("data", size)


def ask(host: str) -> dict[str, int]:
    """Ask for a backup and say which ports are told; returns them by their streams' names."""
    with socket.socket(_family(host), socket.SOCK_DGRAM) as sock:
        sock.bind(("", 850))
        sock.settimeout(60)
        sock.connect((host, 10080))
        sock.send(_datagram("REQ", _REQUEST))
        while not (text := sock.recv(65536)).startswith(b"Amanda 3.5 REP"):
            pass
        sock.send(_datagram("ACK"))
    line = text.decode().splitlines()[1]
    say("told", line)
    names, ports = line.split()[1::2], line.split()[2::2]
    return dict(zip(names, map(int, ports), strict=True))


def fetch(host: str) -> None:
    """Ask, and read all streams."""
    for name, port in ask(host).items():
        with socket.create_connection((host, port), timeout=60) as conn:
            say("stream", name, "is", conn.recv(99).decode())


def answer(host: str) -> None:
    """Stand in for amandad, which Debian builds without IPv6: each stream says its name."""
    streams = {name: socket.create_server((host, 0), family=_family(host)) for name in _STREAMS}
    ports = "".join(f" {name} {stream.getsockname()[1]}" for name, stream in streams.items())
    with socket.socket(_family(host), socket.SOCK_DGRAM) as sock:
        sock.bind((host, 10080))
        _, peer = sock.recvfrom(65536)
        sock.sendto(_datagram("ACK"), peer)
        sock.sendto(_datagram("REP", f"CONNECT{ports}\nOPTIONS features={FEATURES};\n"), peer)
        for name, stream in streams.items():
            with stream.accept()[0] as conn:
                conn.sendall(name.encode())


def _datagram(kind: str, body: str = "") -> bytes:
    return f"Amanda 3.5 {kind} HANDLE 000-00000000 SEQ 1795378737\n{body}".encode()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


_STREAMS = ("DATA", "MESG", "INDEX", "STATE")
_REQUEST = f"""SECURITY USER backup
SERVICE sendbackup
OPTIONS features={FEATURES};hostname=s;config=lab;
<dle>
  <program>GNUTAR</program>
  <disk>{DISK}</disk>
  <level>0</level>
  <auth>bsd</auth>
  <index>YES</index>
  <record>NO</record>
  <datapath>AMANDA</datapath>
</dle>
"""

if __name__ == "__main__":
    roles = {"inetd": inetd, "dump": dump, "ask": ask, "fetch": fetch, "answer": answer}
    roles[sys.argv[1]](*sys.argv[2:])
