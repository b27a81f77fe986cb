from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.firewall import Rules, read

SCRIPT = """\
nfct helper add ftp inet tcp
nft add ct helper inet raw h '{ type "rpc" protocol udp; }'
nft add rule inet raw prerouting udp dport 111 ct helper set "h"
iptables -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
iptables -A PREROUTING -p tcp -j CT --helper ftp
iptables -A FORWARD -m helper --helper ftp -j ACCEPT
nfct helper add $X inet tcp
"""


def test_a_script_of_all_kinds() -> None:
    rules = read([("a", SCRIPT), ("b", SCRIPT)])
    assert rules.files == ("a", "b")
    assert [(r.helper, r.origin.file, r.origin.line) for r in rules.assignments] == [
        ("rpc", "a", 3), ("ftp", "a", 4), ("rpc", "b", 3), ("ftp", "b", 4),
    ]  # fmt: skip
    assert [len(each) for each in (rules.registrations, rules.matches, rules.unsupported)] == [
        2,
        2,
        2,
    ]
    assert len(rules.notes) == 2
    assert read([]) == Rules()


@given(st.text())
def test_there_is_no_text_that_it_does_not_take(text: str) -> None:
    read([("a", text)])


@pytest.mark.parametrize(
    "unit", [SCRIPT, '"', "'", "\\", "a", "a#", '"\\', "\\\n", "$(", "a,", "- "]
)
def test_long_texts_take_no_longer_than_they_are(unit: str) -> None:
    def spent(size: int) -> float:
        start = time.process_time()
        read([("a", "-A PREROUTING -j CT --helper ftp --dport 1," + unit * (size // len(unit)))])
        return time.process_time() - start

    assert spent(400_000) < 40 * spent(40_000) + 1  # squared it would be a hundred times
