from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.testing import pcap


def blocks(order: str, *parts: tuple[int, bytes]) -> bytes:
    out = b""
    for kind, body in parts:
        body += bytes(-len(body) % 4)
        size = pack(order + "I", len(body) + 12)
        out += pack(order + "I", kind) + size + body + size
    return out


def section(order: str) -> tuple[int, bytes]:
    return 0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)


def interface(order: str, link: int, options: bytes = b"") -> tuple[int, bytes]:
    return 1, pack(order + "HHI", link, 0, 0) + options


def enhanced(order: str, which: int, ticks: int, data: bytes) -> tuple[int, bytes]:
    head = pack(order + "IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return 6, head + data


def read(tmp_path: Path, content: bytes) -> list[pcap.Frame]:
    file = tmp_path / "x.pcap"
    file.write_bytes(content)
    return list(pcap.read(file))


def test_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "x.pcap"
    pcap.write(file, [(1.5, b"abc"), (2.000001, b"")])
    assert list(pcap.read(file)) == [
        pcap.Frame(1, 1.5, 101, b"abc"),
        pcap.Frame(2, 2.000001, 101, b""),
    ]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9)])
def test_pcap_of_any_machine(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    head = pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    content = head + pack(order + "IIII", 7, unit // 2, 2, 9) + b"ab"
    assert read(tmp_path, content) == [pcap.Frame(1, 7.5, 1, b"ab")]


@pytest.mark.parametrize("cut", [1, 10, 17])
def test_a_record_that_is_cut_short(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "y.pcap"
    pcap.write(file, [(1, b"abc"), (2, b"de")])
    assert [f.number for f in read(tmp_path, file.read_bytes()[:-cut])] == [1]


@pytest.mark.parametrize("order", "<>")
def test_pcapng(tmp_path: Path, order: str) -> None:
    nano = pack(order + "HHB3x", 9, 1, 9) + pack(order + "HHq", 14, 8, 100) + bytes(4)
    content = blocks(
        order,
        section(order),
        interface(order, 1),
        interface(order, 101, nano),
        (0x0BAD, b"unknown"),
        enhanced(order, 0, 2_500_000, b"abc"),
        enhanced(order, 1, 3 * 10**9, b"de"),
        (3, pack(order + "I", 4) + b"fghi"),
        (2, pack(order + "HHIIII", 1, 0, 0, 10**9, 1, 1) + b"j"),
    )
    assert read(tmp_path, content) == [
        pcap.Frame(1, 2.5, 1, b"abc"),
        pcap.Frame(2, 103.0, 101, b"de"),
        pcap.Frame(3, 0.0, 1, b"fghi"),
        pcap.Frame(4, 101.0, 101, b"j"),
    ]


def test_times_in_powers_of_two(tmp_path: Path) -> None:
    option = pack("<HHB3x", 9, 1, 0x80 | 10)
    content = blocks("<", section("<"), interface("<", 1, option), enhanced("<", 0, 1536, b"a"))
    assert read(tmp_path, content)[0].time == 1.5


def test_sections_of_different_order(tmp_path: Path) -> None:
    parts = [
        blocks(o, section(o), interface(o, link), enhanced(o, 0, 0, b"a"))
        for o, link in ("<1", ">2")
        for link in [int(link)]
    ]
    assert [f.link for f in read(tmp_path, b"".join(parts))] == [1, 2]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "neither"),
        (b"PK\3\4", "neither"),
        (pack("<IHH", 0xA1B2C3D4, 2, 4), "header is cut short"),
        (pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 9, 1, 0, 0, 2**31, 1), "damaged"),
        (pack("<III", 0x0A0D0D0A, 8, 0x1A2B3C4D), "damaged"),
        (blocks("<", section("<"), enhanced("<", 0, 0, b"a")), "not described"),
        (blocks("<", section("<"), interface("<", 1), (6, b"abc")), "frame 1 is cut short"),
        (blocks("<", section("<"), (1, b"abc")), "interface description"),
    ],
)
def test_what_is_no_capture(tmp_path: Path, content: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read(tmp_path, content)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xd4\xc3\xb2\xa1", b"\n\r\r\n"]))
def test_only_value_errors(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bytes
) -> None:
    with contextlib.suppress(ValueError):
        read(tmp_path_factory.getbasetemp(), magic + data)


def test_a_compressed_file(tmp_path: Path) -> None:
    plain, compressed = tmp_path / "a.pcap", tmp_path / "a.pcap.gz"
    pcap.write(plain, [(1.5, b"one"), (2.5, b"two")])
    compressed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(pcap.read(compressed)) == list(pcap.read(plain))


def test_a_damaged_compressed_file_is_no_capture(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap.gz"
    pcap.write(file, [(1.5, bytes(1000))])
    file.write_bytes(gzip.compress(file.read_bytes())[:-12])
    with pytest.raises(ValueError, match="damaged"):
        list(pcap.read(file))


def test_snoop(tmp_path: Path) -> None:
    # RFC 1761: header, then records padded to four bytes
    header = b"snoop\0\0\0" + pack("!II", 2, 4)
    record = pack("!6I", 5, 5, 32, 0, 7, 500_000) + b"frame" + bytes(3)
    file = tmp_path / "a.snoop"
    file.write_bytes(header + record + record[:20])
    assert list(pcap.read(file)) == [pcap.Frame(1, 7.5, 1, b"frame")]


def test_snoop_of_another_medium_is_no_capture(tmp_path: Path) -> None:
    file = tmp_path / "a.snoop"
    file.write_bytes(b"snoop\0\0\0" + pack("!II", 2, 9))
    with pytest.raises(ValueError, match="link type 9"):
        list(pcap.read(file))
