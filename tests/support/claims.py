"""Several connections that announce the same expectations, through one worker and its kernel."""

from __future__ import annotations

from connection import Connection
from kernel_table import KernelTable

from fwhelpers.api import Cancel, DatagramParser, Event, Expect, Helper, LineParser, Policy
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.onlink import NO_LINKS
from fwhelpers.engine.verdict import Report, Verdict

SERVER = "10.0.2.2:21"


class Client(LineParser):
    """`KEEP port seconds` and `ONCE port` announce a port of the client, `CANCEL` withdraws."""

    def line(self, line: bytes, reply: bool) -> list[Event]:
        word, *numbers = line.split()
        own, peer = (
            (self.flow.server, self.flow.client) if reply else (self.flow.client, self.flow.server)
        )
        if word == b"CANCEL":
            return [Cancel()]
        port = int(numbers[0])
        keep = word == b"KEEP"
        timeout = int(numbers[1]) if keep else None
        return [Expect(peer, own.at(port), permanent=keep, timeout=timeout, keep_after_master=keep)]


class Search(DatagramParser):
    """Each datagram asks for answers to its own socket, which are inspected."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        own = self.flow.client
        return [Expect(self.flow.server, own, permanent=True, child=True)]


class Answer(DatagramParser):
    """Names a port of the answering host."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return [Expect(self.flow.server, self.flow.client.at(int(data)), "tcp", permanent=True)]


ANSWER = Helper(
    "answer", "udp", [21], Answer, [Policy("device", max=255, timeout=3600)], outgoing=True
)
HELPER = Helper(
    "test", "tcp", [21], Client, [Policy("data", max=64, timeout=3600)], client_announces=True
)
SEARCH = Helper("search", "udp", [1900], Search, [Policy("answer", max=8)])


class Gateway:
    """One worker and its kernel."""

    def __init__(self, helper: Helper = HELPER) -> None:
        self.kernel = KernelTable()
        self.reports: list[Report] = []
        self.helper = helper
        self.inspector = Inspector(
            {helper.kernel_name: Active(helper)}, self.kernel.table, self.reports.append, links=NO_LINKS
        )  # fmt: skip
        self.now = 100.0

    def connect(self, client: str, **nat: str) -> Connection:
        connection = Connection(
            self.helper, self.helper.l4s[0], client, SERVER, inspector=self.inspector, **nat
        )
        connection.now = self.now
        return connection

    def send(self, connection: Connection, *lines: str) -> Verdict:
        connection.now = self.now
        for line in lines:
            verdict = connection.c(f"{line}\r\n".encode())
        return verdict

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.inspector.tick(self.now)

    @property
    def refusals(self) -> list[str]:
        return [report.reason for report in self.reports if report.kind == "refused"]


class Program(DatagramParser):
    """The server names a port of its own."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return [Expect(self.flow.client, self.flow.server.at(int(data)), permanent=True)]


SERVICE = Helper("service", "udp", [21], Program, [Policy("program", max=8, timeout=300)])


def answers(gateway: Gateway, *connections: Connection) -> None:
    for connection in connections:
        connection.now = gateway.now
        connection.s(b"5000")


def program(helper: Helper = SERVICE) -> tuple[Gateway, Connection, Connection]:
    gateway = Gateway(helper)
    return gateway, gateway.connect("10.0.1.2:40000"), gateway.connect("10.0.1.2:40001")
