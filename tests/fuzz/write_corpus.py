"""Writes the corpus: `python -m fuzz.write_corpus` with PYTHONPATH=tests:tests/support:tests/plugins.

Every seed is made here or by the builders of messages that the unit tests use; none is taken from a capture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import gena_messages as gena
from connection import Connection
from discovery_messages import CASES
from packets import tcp4, tcp6, udp4
from replicated import expectation, live

from fuzz import framing
from fuzz.seeds import MORE, SEEDS
from fuzz.targets import CORPUS
from fwhelpers.engine.expectation_key import ExpectationId, ExpectationKey
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.kernel import conntrack, expect, nla
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.raw_events import RawExpectation
from fwhelpers.plugin.manager import load
from fwhelpers.replication.records import Ended, Hello, Ping, Status, Take
from fwhelpers.replication.records import encode as encode_line
from fwhelpers.testing import pcap
from fwhelpers.worker.messages import (
    Counters,
    FlowReport,
    Problem,
    Ready,
    ReportKind,
    SandboxGaps,
    Suppressed,
    encode,
)

MASTER = Tuple(b"\x0a\0\1\2", b"\x0a\0\2\2", 6, 40000, 21)
EXPECTED = Tuple(b"\x0a\0\1\2", b"\x0a\0\2\2", 6, 0, 4000)
MASK = Tuple(b"\xff" * 4, b"\xff" * 4, 255, 0, 65535)
EXPECTATION = Expectation(MASTER, EXPECTED, MASK, timeout=30)

CONFIGURATION = """
[daemon]
workers = 2
[helpers.ftp]
ports = [21, 2121]
sources = ["10.0.0.0/8"]
[helpers.ftp.guard]
addresses = ["10.0.2.0/24"]
allow_ports = [3306]
[helpers.ssdp]
follow = false
[discovery.disks]
port = 7000
groups = ["239.1.2.3"]
signature = ["0:4449534b/ffffffff"]
"""

IMPORT = """
Helper {
    Type ftp inet tcp {
        QueueNum 0
        QueueLen 10240
        Policy ftp { ExpectMax 1 ExpectTimeout 300 }
    }
}
\x1e
nfct add helper ftp inet tcp
iptables -t raw -A PREROUTING -p tcp --dport 21 -s 10.0.0.0/8 -j CT --helper ftp
table inet raw {
    ct helper f { type "ftp" protocol tcp; }
    chain c { tcp dport 21 ct helper set "f" }
}
"""

NETWORKMANAGER = {
    "/org/freedesktop/NetworkManager/ActiveConnection/1": {
        "org.freedesktop.NetworkManager.Connection.Active": {
            "State": 2, "Devices": ["/d/1"], "Id": "lan", "Uuid": "u",
        }
    },
    "/d/1": {"org.freedesktop.NetworkManager.Device": {"Interface": "eth0", "DeviceType": 1}},
}  # fmt: skip
FIREWALLD = {
    "interfaces": ["eth0"], "sources": ["10.0.0.0/8"], "services": ["fw-ftp"], "ports": [["21", "tcp"]],
    "forward_ports": [["21", "tcp", "21", "10.0.0.1"]], "rules_str": ["rule service name=\"ftp\" accept"],
    "helpers": ["ftp"], "includes": [], "destination": {"ipv4": "10.0.0.1"},
}  # fmt: skip


def conversations() -> Iterable[tuple[str, list[bytes]]]:
    for (name, l4), script in SEEDS.items():
        scripts = [script, MORE[name, l4]] if (name, l4) in MORE else [script]
        yield f"{name}-{l4}", [framing.join((p.data, p.reply) for p in parts) for parts in scripts]
    for name, messages in CASES.items():
        yield f"{name}-udp", [framing.join([(message, False)]) for message in messages]
    events = [(gena.subscribe(), False), (gena.accepted(), True), (gena.renew(), False)]
    yield "ssdp-tcp", [framing.join(events)]
    extra = [gena.SEARCH, gena.answer(), gena.notify(), gena.notify(kind=b"ssdp:byebye")]
    yield "ssdp-udp", [framing.join([(message, False)]) for message in (*CASES["ssdp"], *extra)]


def handed_over() -> bytes:
    helpers = {helper.kernel_name: Active(helper) for helper in load().helpers.values()}
    connection = Connection(load().helpers["gena"], "tcp", "10.0.1.2:40000", "10.0.2.2:49152")
    connection.inspector = Inspector(helpers, connection.maker)
    connection.c(gena.subscribe())
    connection.s(gena.accepted())
    connection.c(gena.renew()[:20])
    return connection.inspector.hand_over()


def worker_messages() -> list[bytes]:
    identity = ExpectationId(ExpectationKey(0, EXPECTED, MASK), MASTER)
    report = FlowReport(
        ReportKind.EXPECTED, "ftp", "10.0.1.2", "10.0.2.2", "tcp", expectation=identity
    )
    gaps = SandboxGaps(("landlock: too old",))
    counters = Counters({"ftp": {"expected": 1}})
    return [encode(m) for m in (Ready(7), counters, report, Suppressed(3), Problem("x"), gaps)]


def replicated_lines() -> list[bytes]:
    whole = replace(expectation(), nat=MASTER, fn="sip")
    translated = live()._replace(payload=RawExpectation.of(whole).payload)
    lines = (live(), translated, Hello("1"), Status(since=1.0), Ended(1), Ping(1), Take(True))
    return [encode_line(line) for line in lines]


def decoders() -> Iterable[tuple[str, list[bytes]]]:
    packets = [tcp4(b"PASV\r\n"), udp4(b"x"), tcp6(b"PASV\r\n")]
    yield "packet", packets
    yield "segments", [framing.join([(b"\x80\x18220 x\r\n", True), (b"\x80\x18PASV\r\n", False)])]
    yield "private-data", [b"\1\0" + bytes(30) + b"220 x\r\n"]
    messages = [
        expect.encode_create(EXPECTATION),
        conntrack.encode_get(MASTER),
        expect.encode_dump(),
    ]
    tuples = conntrack.encode_tuple(1, MASTER) + conntrack.encode_tuple(2, MASTER)
    yield "netlink", [*messages, tuples]
    yield "expectation", [messages[0][20:]]
    header = b"\0\0\0\1\x08\0\1\0"
    body = nla.attr(1, header[:7]) + nla.attr(10, packets[0]) + nla.nest(11, tuples)
    message = b"\0\3\0\0\0\0\0\0\0\0\0\0\2\0\0\0" + body
    yield "queue", [(len(message) + 4).to_bytes(4, "little") + message]
    yield (
        "dbus",
        [json.dumps(FIREWALLD).encode(), b'["1","","","","nf_conntrack_ftp",[["21","tcp"]]]'],
    )
    yield "networkmanager", [json.dumps(NETWORKMANAGER).encode()]
    yield "rich-rule", [b'rule family="ipv4" source address="10.0.0.0/8" service name="ftp" accept']
    yield "configuration", [CONFIGURATION.encode()]
    yield "importer", [IMPORT.encode()]
    yield "worker-message", worker_messages()
    yield "replicated", replicated_lines()
    yield "handover", [handed_over()]
    yield "http", [gena.GET + gena.subscribe(), gena.CHUNKS, gena.DESCRIPTION]
    capture = CORPUS / "capture"
    capture.mkdir(exist_ok=True)
    pcap.write(capture / "0", [(1.0, packet) for packet in packets])


def write(folder: Path, seeds: Iterable[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        (folder / str(number)).write_bytes(data)


if __name__ == "__main__":
    for target, inputs in (*conversations(), *decoders()):
        write(CORPUS / target, inputs)
