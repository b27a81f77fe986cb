from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from struct import pack

import pytest
from packets import tcp4, udp4

from fwhelpers.api import (
    DatagramParser,
    Done,
    Drop,
    Event,
    Expect,
    Helper,
    LineParser,
    ParseError,
    Policy,
    Refuse,
    Setting,
)
from fwhelpers.cli.replay import describe
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.testing import pcap
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

C, S = "10.0.1.2", "10.0.2.2"


class Foo(LineParser):
    """`DATA port` from the server after `HELLO`."""

    opened = False

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        words = line.split()
        if not self.opened and words != [b"HELLO"] and not self.settings["pickup"]:
            raise ParseError("no HELLO")
        self.opened = True
        if words[0] == b"DATA":
            end = self.flow.server.at(int(words[1]))
            yield Expect(self.flow.client, end, permanent=len(words) > 2)
        elif words[0] == b"NO":
            yield Refuse("G4", "unasked", self.flow.server.at(99))
        elif words[0] == b"BYE":
            yield Done()
        elif words[0] == b"DROP":
            yield Drop("forbidden")


class Bar(DatagramParser):
    """The first datagram announces two ports of the client."""

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        for number in data.split():
            yield Expect(self.flow.server, self.flow.client.at(int(number)), policy="both")


FOO = Helper("foo", "tcp", [7777], Foo, settings=[Setting("pickup", False, "")])
BAR = Helper("bar", "udp", [7778], Bar, [Policy("both", max=2)])
HELPERS = {"foo": FOO, "bar": BAR}


class Capture:
    """A connection's packets."""

    def __init__(self, handshake: bool = True) -> None:
        self.packets: list[tuple[float, bytes]] = []
        self.seq = [100, 200]
        if handshake:
            self.tcp(b"", False, 2)
            self.tcp(b"", True, 0x12)
            self.seq = [101, 201]

    def add(self, packet: bytes) -> Capture:
        self.packets.append((float(len(self.packets)), packet))
        return self

    def tcp(self, data: bytes, reply: bool = False, flags: int = 0x18) -> Capture:
        ends = {"src": S, "dst": C, "ports": (7777, 40000)} if reply else {"ports": (40000, 7777)}
        self.add(tcp4(data, self.seq[reply], flags, **ends))  # type: ignore[arg-type]
        self.seq[reply] += len(data)
        return self

    def says(self, data: bytes) -> Capture:
        """The server says, in frame 4."""
        return self.tcp(b"HELLO\n").tcp(data, True)

    def data(self, port: int, sport: int = 50000) -> Capture:
        return self.add(tcp4(b"", 1, 2, ports=(sport, port)))

    def replay(self, tmp_path: Path, **limits: Limits) -> list[dict[str, object]]:
        file = tmp_path / "x.pcap"
        pcap.write(file, self.packets)
        settings = {name: settings_of(helper, {}) for name, helper in HELPERS.items()}
        return list(replay_file(file, HELPERS, settings, limits))


def test_an_announcement_and_what_followed(tmp_path: Path) -> None:
    capture = Capture().says(b"DATA 5000\n").data(5000)
    assert capture.replay(tmp_path) == [
        {
            "helper": "foo",
            "master": {"l4": "tcp", "src": C, "sport": 40000, "dst": S, "dport": 7777},
            "expected": {"l4": "tcp", "src": C, "sport": None, "dst": S, "dport": 5000},
            "trigger": 4,
            "data": 5,
            "refused": None,
        }
    ]


@pytest.mark.parametrize(("redirects", "ports"), [(True, [7777, 5000]), (False, [7777])])
def test_a_redirect_to_the_helpers_own_port(
    tmp_path: Path, redirects: bool, ports: list[int]
) -> None:
    capture = Capture().says(b"DATA 7777\n").data(7777, 40001)
    answer = {"src": S, "dst": C, "ports": (7777, 40001)}
    capture.add(tcp4(b"", 1, 0x12, **answer))
    capture.add(tcp4(b"HELLO\n", 2, 0x18, ports=(40001, 7777)))
    capture.add(tcp4(b"DATA 5000\n", 2, 0x18, **answer))
    file = tmp_path / "x.pcap"
    pcap.write(file, capture.packets)
    helpers = {"foo": replace(FOO, redirects=redirects)}
    items = list(replay_file(file, helpers, {"foo": {"pickup": False}}))
    assert [item["expected"]["dport"] for item in items] == ports


def test_an_announcement_that_nobody_used(tmp_path: Path) -> None:
    (item,) = Capture().says(b"DATA 5000\n").data(5001).replay(tmp_path)
    assert (item["data"], item["refused"]) == (None, None)


def test_a_connection_that_is_given_up_has_one_line_with_the_reason(tmp_path: Path) -> None:
    capture = Capture().tcp(b"GET /\n").tcp(b"DATA 5000\n", True).tcp(b"GET /\n")
    (item,) = capture.replay(tmp_path)
    assert (item["expected"], item["data"], item["trigger"]) == (None, None, 3)
    assert item["refused"] == "gave up: no HELLO"
    assert describe(item).endswith("frame 3: gave up: no HELLO")


def test_the_guard_refuses(tmp_path: Path) -> None:
    (item,) = Capture().says(b"DATA 22\n").data(22).replay(tmp_path)
    assert item["refused"] == "G6: port 22 is below 1024"
    assert item["expected"] == {"l4": "tcp", "src": C, "sport": None, "dst": S, "dport": 22}
    assert (item["trigger"], item["data"]) == (4, None)


def test_limits_loosen_it(tmp_path: Path) -> None:
    capture = Capture().says(b"DATA 900\n").data(900)
    (item,) = capture.replay(tmp_path, foo=Limits(min_port=512))
    assert (item["refused"], item["data"]) == (None, 5)


def test_the_plugin_refuses(tmp_path: Path) -> None:
    (item,) = Capture().says(b"NO\n").replay(tmp_path)
    assert item["refused"] == "G4: unasked"
    assert item["expected"] == {"l4": "tcp", "src": None, "sport": None, "dst": S, "dport": 99}


def test_permanent_ones_tell_their_first_use(tmp_path: Path) -> None:
    capture = Capture().says(b"DATA 5000 p\n").data(5000).data(5000, 50001)
    (item,) = capture.replay(tmp_path)
    assert item["data"] == 5


def test_split_and_repeated_segments(tmp_path: Path) -> None:
    capture = Capture().tcp(b"HELLO\nDA").tcp(b"TA 50")
    capture.add(capture.packets[-1][1]).tcp(b"00\n")
    (item,) = capture.replay(tmp_path)
    assert item["trigger"] == 6


def test_a_capture_that_begins_midway(tmp_path: Path) -> None:
    # the helper says that it can read on: what was captured is chance
    capture = Capture(handshake=False).tcp(b"DATA 5000\n", True).data(5000)
    (item,) = capture.replay(tmp_path)
    assert (item["helper"], item["trigger"], item["data"]) == ("foo", 1, 2)
    assert item["master"] == {"l4": "tcp", "src": C, "sport": 40000, "dst": S, "dport": 7777}


def test_a_whole_capture_is_read_strictly(tmp_path: Path) -> None:
    (item,) = Capture().tcp(b"DATA 5000\n", True).replay(tmp_path)
    assert item["refused"] == "gave up: no HELLO"


def test_nothing_after_done(tmp_path: Path) -> None:
    assert Capture().says(b"BYE\n").tcp(b"DATA 5000\n", True).replay(tmp_path) == []


def test_dropped_packets_are_survived(tmp_path: Path) -> None:
    capture = Capture().says(b"DROP\n").tcp(b"DATA 5000\n", True)
    assert len(capture.replay(tmp_path)) == 1


def test_several_on_the_first_packet(tmp_path: Path) -> None:
    capture = Capture(handshake=False)
    capture.add(udp4(b"5000 5001", ports=(900, 7778)))
    capture.add(udp4(b"", S, C, (9, 5001))).add(udp4(b"", S, C, (9, 5000)))
    assert [item["data"] for item in capture.replay(tmp_path)] == [3, 2]


def test_each_request_of_a_socket_opens_anew(tmp_path: Path) -> None:
    """The connections in between have used up what was opened before."""
    capture = Capture(handshake=False)
    for sport in range(9, 13):
        capture.add(udp4(b"5000", ports=(900, 7778)))
        capture.add(udp4(b"", S, C, (sport, 5000)))
        capture.add(udp4(b"", S, C, (7778, 900)))
    assert [item["data"] for item in capture.replay(tmp_path)] == [2, 5, 8, 11]


def test_fragments(tmp_path: Path) -> None:
    capture = Capture(handshake=False)
    whole = udp4(b"5000".ljust(40), ports=(900, 7778))
    body = whole[20:]
    for at, size, flags in ((0, 24, 0x2000), (24, 24, 3)):
        head = whole[:2] + pack("!HHH", 20 + size, 1, flags) + whole[8:20]
        capture.add(head + body[at : at + size])
    (item,) = capture.replay(tmp_path)
    assert item["trigger"] == 2


def test_other_traffic(tmp_path: Path) -> None:
    capture = Capture().data(80).add(b"?").add(bytes(60)).add(udp4(b"x", ports=(1, 2)))
    assert capture.replay(tmp_path) == []


def test_no_capture(tmp_path: Path) -> None:
    file = tmp_path / "x.pcap"
    file.write_bytes(b"hello")
    with pytest.raises(ValueError, match="neither pcap, pcapng nor snoop"):
        list(replay_file(file, HELPERS))


class Shout(DatagramParser):
    """A request to everybody on the link; the answer comes back to the same port."""

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        yield Expect(self.flow.server, self.flow.client, sources="on-link", permanent=True)


SHOUT = Helper("shout", "udp", [137], Shout, families=(4,), outgoing=True, broadcast=True)


def sources(
    tmp_path: Path, client: str, destination: str, *, links: tuple[Prefix, ...] = ()
) -> list[str]:
    """The prefixes that may answer an Ethernet broadcast."""
    packet = udp4(b"who", client, destination, (137, 137))
    frame = b"\xff" * 6 + bytes(6) + b"\x08\x00" + packet
    pcap.write(tmp_path / "a.pcap", [(1.0, frame)], link=1)
    items = replay_file(tmp_path / "a.pcap", {"shout": SHOUT}, links=links)
    return [item["expected"]["src"] for item in items]


def test_a_broadcast_reveals_the_prefix_of_its_link(tmp_path: Path) -> None:
    assert sources(tmp_path, "10.0.0.4", "10.0.0.15") == ["10.0.0.0/28"]
    assert sources(tmp_path, "10.1.2.4", "10.1.255.255") == ["10.1.0.0/16"]


def test_autoconfigured_addresses_share_a_16(tmp_path: Path) -> None:
    assert sources(tmp_path, "169.254.7.8", "169.254.255.255") == ["169.254.0.0/16"]


def test_a_configured_link_comes_first(tmp_path: Path) -> None:
    link = Prefix(bytes([10, 0, 0, 0]), 8)
    assert sources(tmp_path, "10.0.0.4", "10.255.255.255", links=(link,)) == ["10.0.0.0/8"]
