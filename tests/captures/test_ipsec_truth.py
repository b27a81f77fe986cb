"""IPsec in captures of other people's traffic, with the ESP that really flowed; where they are present."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from fwhelpers_plugins import ipsec
from recorded import CAPTURES, PRESENT, Item, files, predicts, strong

from fwhelpers.testing import pcap
from fwhelpers.testing.link_layer import ip_packet
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

pytestmark = pytest.mark.skipif(not PRESENT, reason=f"no captures in {CAPTURES}")

(IPSEC,) = ipsec.fwhelpers_helpers()
ESP = 50


@cache
def replayed(path: Path) -> list[Item]:
    return list(replay_file(path, {"ipsec": IPSEC}, {"ipsec": settings_of(IPSEC, {})}))


@cache
def has_esp(path: Path) -> bool:
    """Return whether the capture still has what the index says: one of them was cut to its first frames."""
    packets = (ip_packet(frame.link, frame.data) for frame in pcap.read(path))
    return any(packet is not None and packet[9] == ESP for packet in packets)


TRUE = [item for item in strong("ipsec") if has_esp(item["path"])] if PRESENT else []


@pytest.mark.parametrize("item", TRUE, ids=lambda item: f"{item['path'].stem}-{item['dt']}")
def test_what_followed_was_expected(item: Item) -> None:
    assert any(predicts(item, expected) for expected in replayed(item["path"]))


@pytest.mark.parametrize("path", files("ipsec"), ids=lambda path: path.stem)
def test_only_esp_between_the_two_ends_is_opened(path: Path) -> None:
    for item in replayed(path):
        expected, master = item["expected"], item["master"]
        assert item["refused"] is None
        assert (expected["l4"], expected["sport"], expected["dport"]) == ("esp", None, None)
        assert {expected["src"], expected["dst"]} == {master["src"], master["dst"]}


def test_esp_of_a_capture_uses_the_expectation() -> None:
    used = {path for path in files("ipsec") for item in replayed(path) if item["data"]}
    assert used == {item["path"] for item in TRUE}


def test_the_counts() -> None:
    print(f"{len(TRUE)} ESP flows followed")
    assert TRUE
