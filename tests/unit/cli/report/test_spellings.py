"""Addresses in unusual spellings leave no trace, and all spellings of one stay spellings of one."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import udp4

from fwhelpers.cli.report import spellings
from fwhelpers.cli.report.addresses import AddressMap
from fwhelpers.cli.report.anonymise import Spy, anonymise
from fwhelpers.testing import pcap

MAP = AddressMap(b"k5")
FOUR, SIX = ip_address("192.168.17.45"), ip_address("2001:db8:77:1::a5")
NEW_FOUR, NEW_SIX = (ip_address(MAP.address(addr.packed)) for addr in (FOUR, SIX))
MAC = bytes.fromhex("5254001a2b3c")
NEW_MAC = spellings.hardware_address(MAC, MAP)


def labels(name: str) -> bytes:
    """Encode a name as RFC 1035 section 3.1 does."""
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def record(kind: int, data: bytes, klass: int = 1) -> bytes:
    head = kind.to_bytes(2, "big") + klass.to_bytes(2, "big") + b"\0\0\0\x78"
    return b"\xc0\x0c" + head + len(data).to_bytes(2, "big") + data


#: text or bytes with the old address, and with the new one
CASES: dict[str, tuple[bytes, bytes]] = {
    "reverse": (f"{FOUR.reverse_pointer} x".encode(), f"{NEW_FOUR.reverse_pointer} x".encode()),
    "reverse labels": (labels(FOUR.reverse_pointer), labels(NEW_FOUR.reverse_pointer)),
    "reverse6": (SIX.reverse_pointer.encode(), NEW_SIX.reverse_pointer.encode()),
    "reverse6 labels": (labels(SIX.reverse_pointer), labels(NEW_SIX.reverse_pointer)),
    "host name": (
        f"ip-{FOUR}.example".replace(".", "-", 3).encode(),
        f"ip-{NEW_FOUR}.example".replace(".", "-", 3).encode(),
    ),
    "host name as a label": (
        labels(str(FOUR).replace(".", "-")), labels(str(NEW_FOUR).replace(".", "-")),
    ),
    "DCC": (f"DCC SEND f {int(FOUR)} 5000".encode(), f"DCC SEND f {int(NEW_FOUR)} 5000".encode()),
    "mapped text": (f"[::ffff:{FOUR}]:80".encode(), f"[::ffff:{NEW_FOUR}]:80".encode()),
    "mapped uaddr": (f"::ffff:{FOUR}.8.1".encode(), f"::ffff:{NEW_FOUR}.8.1".encode()),
    "mapped": (spellings.MAPPED + FOUR.packed, spellings.MAPPED + NEW_FOUR.packed),
    "IPv6 uaddr": (f"{SIX}.8.1".encode(), f"{NEW_SIX}.8.1".encode()),
    "A": (record(1, FOUR.packed), record(1, NEW_FOUR.packed)),
    "A of mDNS": (record(1, FOUR.packed, 0x8001), record(1, NEW_FOUR.packed, 0x8001)),
    "AAAA": (record(28, SIX.packed), record(28, NEW_SIX.packed)),
    "NB": (record(32, b"\0\0" + FOUR.packed), record(32, b"\0\0" + NEW_FOUR.packed)),
    "MAC": (MAC.hex(":").encode(), NEW_MAC.hex(":").encode()),
    "MAC in capitals": (MAC.hex("-").upper().encode(), NEW_MAC.hex("-").upper().encode()),
    "MAC in a UUID": (b"uuid:0-1-" + MAC.hex().encode(), b"uuid:0-1-" + NEW_MAC.hex().encode()),
    "MAC in a DUID": (b"\0\1\0\1time" + MAC, b"\0\1\0\1time" + NEW_MAC),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_capture_has_the_other_address_in_the_same_spelling(name: str, tmp_path: Path) -> None:
    old, new = CASES[name]
    payload = b"\xaa\xbb " + old + b" \xcc"
    packet = udp4(
        payload, src="10.1.1.1" if name in ("A", "A of mDNS", "NB") else str(FOUR), dst="10.1.1.2"
    )
    frame = b"\x02\0\0\0\0\x01" + MAC + b"\x08\0" + packet
    source, target = tmp_path / "old.pcap", tmp_path / "new.pcap"
    pcap.write(source, [(1.0, frame)], 1)
    result = anonymise(source, target, MAP, Spy({}, {}, {}), Spy({}, {}, {}))
    assert result.payloads[1] == b"\xaa\xbb " + new + b" \xcc"
    assert MAC not in target.read_bytes()


@given(st.binary(max_size=200))
def test_any_data_keep_their_length(data: bytes) -> None:
    hosts = frozenset([data[:4]]) if len(data) >= 4 else frozenset()
    for at, new in spellings.edits(data, MAP, hosts, frozenset([MAC])):
        assert 0 <= at <= at + len(new) <= len(data)
    list(spellings.record_addresses(data))


@given(
    st.text("0123456789abcdef:.-", max_size=80).map(str.encode),
    st.sampled_from([b"", b"in-addr.arpa", b".ip6.arpa"]),
)
def test_text_that_resembles_addresses_keeps_its_length(text: bytes, end: bytes) -> None:
    data = text + end
    for at, new in spellings.edits(data, MAP, frozenset(), frozenset()):
        assert 0 <= at <= at + len(new) <= len(data)


def test_other_numbers_stay() -> None:
    text = b"2026-11-30 1-2-3 12345678 call 0171-1234567 1.2.3 aa:bb:cc"
    assert list(spellings.edits(text, MAP, frozenset([FOUR.packed]), frozenset([MAC]))) == []


def test_group_addresses_stay() -> None:
    for text in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "00:00:00:00:00:00"):
        ((_, new),) = spellings.edits(text.encode(), MAP, frozenset(), frozenset())
        assert new.decode() == text
