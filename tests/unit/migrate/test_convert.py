"""conntrackd's configuration as ours: what has no place is told, and nothing gets wider."""

from __future__ import annotations

import pytest
from migration import convert_text, notes

FTP = "Type ftp inet tcp { }"


def test_helpers_that_we_have() -> None:
    result = convert_text(f"{FTP}\nType rpc inet tcp {{ }}\nType rpc inet udp {{ }}")
    assert [(table.name, table.off) for table in result.tables] == [("ftp", False), ("rpc", False)]
    assert [str(origin) for origin, _ in result.tables[1].origins] == ["c:3", "c:4"]
    assert result.notes == []


@pytest.mark.parametrize(
    ("types", "rules", "note"),
    [
        ("Type sane inet tcp { }", "",
         "c:2: omitted Type sane inet tcp: no such helper is installed (see `fwhelpers list`)"),
        ("Type lamp inet tcp { }", "",
         "c:2: omitted Type lamp inet tcp: it is not one of conntrackd's own helpers, and no plugin of that name is"
         " installed"),
        ("Type ssdp inet tcp { }", "",
         "c:2: omitted Type ssdp inet tcp: our ssdp supports udp over IPv4 and IPv6"),
        ("Type rpc inet tcp { }", "", "c:2: our rpc handles udp as well as tcp; no key limits it to one"),
        (f"Setup no\n{FTP}", "", "c:2: Setup no: fwhelpers always registers its helpers"),
        (f"{FTP}\n}}\nStats {{ }}\nSync {{ }}\nGeneral {{", "",
         "c:1: omitted sections that do not concern helpers: Stats, Sync, General"),
        ("", "nfct helper add ftp inet tcp",
         "r:1: omitted helper ftp: it is the kernel's own (backend = kernel assigns it)"),
        ("", "nfct helper add rpc inet tcp", "r:1: omitted helper rpc: it has no Type"),
        (FTP, "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n-A F -m helper --helper ftp -j ACCEPT",
         'r:2: change this rule: it matches helper "ftp", ours is "fw-ftp"'),
    ],
)  # fmt: skip
def test_what_is_told(types: str, rules: str, note: str) -> None:
    assert notes(convert_text(types, rules)) == [note]


@pytest.mark.parametrize(
    "rules",
    [
        "-A PREROUTING -p tcp --dport 21 -m mark --mark 1 -j CT --helper ftp",
        "ip6tables -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    ],
)
def test_limits_that_can_t_be_said_do_not_vanish(rules: str) -> None:
    result = convert_text(FTP, rules)
    assert result.tables[0].off
    assert "c:2: ftp is commented out: none of its rules could be converted" in notes(result)


def test_notes_come_in_the_order_of_the_files() -> None:
    result = convert_text("Type lamp inet tcp { }\nSetup no", "nfct helper add sip inet udp")
    assert [note.split(": ")[0] for note in notes(result)] == ["c:2", "c:3", "r:1"]


def test_a_raised_maximum_is_a_guard_s_key() -> None:
    result = convert_text("Type ftp inet tcp { Policy ftp { ExpectMax 50 } }")
    assert [(entry.key, entry.value) for entry in result.tables[0].guard] == [
        ("max_per_source", 50)
    ]
