from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.nft_syntax import scan

LISTED = """
table inet t { # a comment {
    set s {
        elements = { 1,
            2 }
    }
    ct helper h {
        type "ftp" protocol tcp
        l3proto ip
    }
    chain c { type filter hook prerouting priority raw; policy accept;
        tcp dport { 21,
            22 } ct helper set "h"; udp dport 69 accept
    }
}
"""

COMMANDS = r"""
f() {
nft add ct helper ip t h '{ type "ftp" protocol tcp ; }'
$NFT add chain inet t c { type filter hook output priority 0 \; }
nft insert rule ip6 t c iif ${IF} tcp dport { 21 } ct helper set h
nft 'add rule t c tcp dport 21 ct helper set "h"'
}
"""

WORDS = st.lists(
    st.sampled_from(["table", "inet", "t", "{", "}", "chain", "ct", "helper", "set", ";", "\n", "add", "rule", '"x"',
                     "type", "hook", "protocol", "'", "$"])
).map(" ".join)  # fmt: skip


def test_a_listed_ruleset() -> None:
    ruleset = scan(LISTED)
    table = ("inet", "t")
    assert [statement.words for statement in ruleset.objects[table, "h"]] == [
        ("type", '"ftp"', "protocol", "tcp"), ("l3proto", "ip"),
    ]  # fmt: skip
    assert ruleset.hooks == {(table, "c"): "prerouting"}
    ((where, chain, rule),) = ruleset.rules
    assert (where, chain, rule.line) == (table, "c", 12)
    assert " ".join(rule.words) == 'tcp dport { 21 , ; 22 } ct helper set "h"'


def test_commands() -> None:
    ruleset = scan(COMMANDS)
    assert " ".join(ruleset.objects[("ip", "t"), "h"][0].words) == '{ type "ftp" protocol tcp ; }'
    assert ruleset.hooks == {(("inet", "t"), "c"): "output"}
    assert [(table, rule.line) for table, _, rule in ruleset.rules] == [
        (("ip6", "t"), 5), (("ip", "t"), 6),
    ]  # fmt: skip


@given(st.text() | WORDS)
def test_there_is_no_text_that_it_does_not_take(text: str) -> None:
    for _, _, rule in scan(text).rules:
        assert 1 <= rule.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "unit", ["{", "}", "add {}", "add rule {", "table t {", "x ", '"', "'", "\\"]
)
def test_long_texts_take_no_longer_than_they_are(unit: str) -> None:
    def spent(size: int) -> float:
        start = time.process_time()
        scan(unit * (size // len(unit)))
        return time.process_time() - start

    assert spent(400_000) < 40 * spent(40_000) + 1  # squared it would be a hundred times
