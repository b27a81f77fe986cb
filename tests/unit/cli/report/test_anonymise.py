"""A capture with other addresses: the helpers open the same in it, and the old addresses are gone."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from packets import tcp4, udp4

from fwhelpers import config
from fwhelpers.api import Endpoint, Event, Expect, Helper, LineParser, Policy
from fwhelpers.cli.report.addresses import AddressMap
from fwhelpers.cli.report.anonymise import Result, Spy, anonymise
from fwhelpers.engine.checksum import ones_complement
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.headers import locate
from fwhelpers.plugin.manager import load
from fwhelpers.testing import pcap
from fwhelpers.testing.link_layer import ip_packet
from fwhelpers.testing.replay import replay_file

CAPTURES = Path(__file__).parents[3] / "captures" / "own"
HELPERS = load().helpers
MAP = AddressMap(b"k5")
C, S = "10.20.1.2", "10.20.2.2"


def tcp(data: bytes, **fields: int) -> bytes:
    return tcp4(data, src=C, dst=S, **fields)  # type: ignore[arg-type]


def options(*names: str) -> tuple[dict[str, Helper], dict[str, dict[str, Any]], dict[str, Limits]]:
    chosen = {name: HELPERS[name] for name in names or HELPERS}
    settings = {n: {**config.default(h).settings, "destinations": ()} for n, h in chosen.items()}
    return chosen, settings, dict.fromkeys(chosen, Limits())


def run(source: Path, target: Path, *names: str) -> Result:
    arguments = options(*names)
    return anonymise(source, target, MAP, Spy(*arguments), Spy(*arguments))


def mapped(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    hosts = {k: v and MAP.text(v) for k, v in values.items() if k in ("src", "dst")}
    return {**values, **hosts}


@pytest.mark.parametrize("file", sorted(CAPTURES.rglob("*.pcap*")), ids=lambda file: file.name)
def test_the_same_is_opened(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.pcap"
    result = run(file, target)
    assert (result.masked, result.kept) == (0, 0)
    old, new = (list(replay_file(path, *options())) for path in (file, target))
    numbers = result.numbers
    assert [item["helper"] for item in new] == [item["helper"] for item in old]
    for before, after in zip(old, new, strict=True):
        assert after["master"] == mapped(before["master"])
        assert after["expected"] == mapped(before["expected"])
        assert after["trigger"] == numbers[before["trigger"]]
        assert after["data"] == (before["data"] and numbers[before["data"]])
        assert (after["refused"] is None) == (before["refused"] is None)


def packets(path: Path) -> Iterable[bytes]:
    for frame in pcap.read(path):
        packet = ip_packet(frame.link, frame.data)
        assert packet is not None
        yield packet


@pytest.mark.parametrize("file", sorted(CAPTURES.glob("*.pcap")), ids=lambda file: file.name)
def test_checksums_are_right_and_the_old_addresses_gone(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.pcap"
    run(file, target)
    old = {address for packet in packets(file) if locate(packet) for address in ends(packet)}
    secrets = [a for a in old if MAP.address(a) != a]
    assert secrets
    for packet in packets(target):
        assert_checksums(packet)
        for address in secrets:
            text = str(ip_address(address)).encode()
            assert address not in packet or MAP.address(address) in old
            assert text not in packet or any(MAP.address(a) == address for a in old)


def ends(packet: bytes) -> tuple[bytes, bytes]:
    first, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    return packet[first : first + size], packet[first + size : first + 2 * size]


def assert_checksums(packet: bytes) -> None:
    segment = locate(packet)
    assert segment is not None
    if packet[0] >> 4 == 4:
        assert ones_complement(packet[: (packet[0] & 15) * 4]) == 0xFFFF
    length = segment.end - segment.transport
    pseudo = b"".join(ends(packet)) + pack("!II", length, segment.l4)
    assert ones_complement(pseudo + packet[segment.transport : segment.end]) == 0xFFFF


def write(path: Path, *items: bytes) -> Path:
    pcap.write(path, [(float(number), item) for number, item in enumerate(items)])
    return path


def payloads(path: Path) -> list[bytes]:
    result = []
    for packet in packets(path):
        segment = locate(packet)
        assert segment is not None
        result.append(packet[segment.data : segment.end])
    return result


def test_an_address_that_two_segments_share(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.pcap",
        tcp(b"", seq=99, flags=2),
        tcp(b"PORT 10,20,", seq=100),
        tcp(b"1,2,4,1\r\n", seq=111),
        tcp(b"20,1,2,4,1\r\n", seq=108),  # retransmitted
        tcp(b"xx 10.20.1.2", seq=90),  # contradicts
    )
    run(file, tmp_path / "b.pcap", "ftp")
    comma = MAP.text(C).replace(".", ",")
    *_, first, second, again, strange = payloads(tmp_path / "b.pcap")
    assert first + second == f"PORT {comma},4,1\r\n".encode()
    assert again == (first + second)[8:]
    assert strange == f"xx {MAP.text(C)}".encode()


def test_what_is_no_tcp_or_udp_is_left_out(tmp_path: Path) -> None:
    icmp = bytearray(udp4(b"x", src=C, dst=S))
    icmp[9] = 1
    routing = bytes([0x60, 0, 0, 0, 0, 16, 43, 64]) + bytes(32) + bytes([17, 0, 0, 0]) + bytes(12)
    file = write(tmp_path / "a.pcap", bytes(icmp), udp4(b"x", src=C, dst=S), routing, b"\x45")
    result = run(file, tmp_path / "b.pcap", "ftp")
    assert result.omitted == 3
    assert result.numbers == {2: 1}


def test_options_that_may_name_an_address_are_overwritten(tmp_path: Path) -> None:
    packet = bytearray(tcp(b"\x1e\x08\0\x05" + bytes([10, 20, 1, 2]) + b"hi"))
    packet[32] = 7 << 4  # two more words of header: ADD_ADDR of Multipath TCP (RFC 8684)
    file = write(tmp_path / "a.pcap", bytes(packet))
    run(file, tmp_path / "b.pcap", "ftp")
    (new,) = packets(tmp_path / "b.pcap")
    assert new[40:48] == bytes([1] * 8)
    assert new.endswith(b"hi")
    assert_checksums(new)


class Halves(LineParser):
    """An address in two lines, which no span can name."""

    text = b""

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        self.text += line.strip()
        if line.endswith(b".\r\n"):
            return
        end = Endpoint.parse(self.text.decode(), 4000)
        yield Expect(self.flow.server.at(0), end)


def test_an_address_that_two_messages_share_is_reported(tmp_path: Path) -> None:
    helper = Helper("halves", "tcp", [21], Halves, [Policy("data")], client_announces=True)
    options = ({"halves": helper}, {}, {})
    file = write(
        tmp_path / "a.pcap",
        tcp(b"", seq=99, flags=2),
        tcp(b"10.20.\r\n", seq=100),
        tcp(b"1.2\r\n", seq=108),
    )
    result = anonymise(file, tmp_path / "b.pcap", MAP, Spy(*options), Spy(*options))
    assert result.kept == 1


class Number(LineParser):
    """An address as an octal number, which has another length after the replacement."""

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        end = Endpoint(int(line, 8).to_bytes(4, "big"), 4000)
        span = (0, len(line.strip()))
        yield Expect(
            self.flow.server.at(0),
            end,
            span=span,
            encode=lambda e: b"%x" % int.from_bytes(e.addr, "big") * 2,
        )


def test_an_address_without_room_for_another_one_is_overwritten(tmp_path: Path) -> None:
    helper = Helper("number", "tcp", [21], Number, [Policy("data")], client_announces=True)
    options = ({"number": helper}, {}, {})
    file = write(tmp_path / "a.pcap", tcp(b"", seq=99, flags=2), tcp(b"1205000402\r\n", seq=100))
    result = anonymise(file, tmp_path / "b.pcap", MAP, Spy(*options), Spy(*options))
    assert result.masked == 1
    assert payloads(tmp_path / "b.pcap")[-1] == b"0000000000\r\n"
