from __future__ import annotations

from ipaddress import ip_address

import pytest

from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.worker.summary import summarize


def packed(text: str) -> bytes:
    return ip_address(text).packed


MASTER = Tuple(packed("10.0.1.2"), packed("10.0.2.2"), 6, 4000, 21)
DATA = Tuple(packed("10.0.1.2"), packed("10.0.2.2"), 6, 0, 40001)
ESP = Tuple(packed("fd01::2"), packed("fd02::2"), 50, 0, 0)
SIX = Tuple(packed("fd01::2"), packed("fd02::2"), 17, 5353, 40001)


@pytest.mark.parametrize(
    ("expectation", "text"),
    [
        (
            Expectation(MASTER, DATA, mask_for(DATA), timeout=300),
            "tcp 10.0.1.2 → 10.0.2.2:40001 for 300 s, once",
        ),
        (
            Expectation(MASTER, DATA, mask_for(DATA), timeout=300, flags=PERMANENT),
            "tcp 10.0.1.2 → 10.0.2.2:40001 for 300 s",
        ),
        (
            Expectation(MASTER, ESP, mask_for(ESP), timeout=3600, flags=PERMANENT),
            "esp fd01::2 → fd02::2 for 3600 s",
        ),
        (
            Expectation(MASTER, DATA, mask_for(DATA, prefix=24), timeout=3),
            "tcp 10.0.1.0/24 → 10.0.2.2:40001 for 3 s, once",
        ),
        (
            Expectation(MASTER, SIX, mask_for(SIX, sport=0xFFFF), timeout=3),
            "udp fd01::2 port 5353 → [fd02::2]:40001 for 3 s, once",
        ),
        (
            Expectation(
                MASTER, DATA, mask_for(DATA), timeout=9, nat=Tuple(packed("192.168.0.9"), bytes(4), 6, 50, 0)
            ),
            "tcp 10.0.1.2 → 10.0.2.2:40001, translated to 192.168.0.9:50 for 9 s, once",
        ),
    ],
)  # fmt: skip
def test_an_expectation_in_words(expectation: Expectation, text: str) -> None:
    assert summarize(expectation) == text
