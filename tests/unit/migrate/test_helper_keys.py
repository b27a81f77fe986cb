from __future__ import annotations

import pytest
from migration import convert_text, notes

FTP = "Type ftp inet tcp { }\nType ftp inet6 tcp { }"
RULE = "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp"
SSDP = RULE.replace("tcp", "udp").replace("21", "1900").replace("ftp", "ssdp")


def keys(types: str, rules: str = "") -> dict[str, object]:
    return {entry.key: entry.value for entry in convert_text(types, rules).tables[0].entries}


def test_defaults_are_not_repeated() -> None:
    assert keys(FTP) == {}
    assert keys("Type ftp inet tcp { }") == {"families": [4]}
    assert keys("Type dhcpv6 inet6 udp { }") == {}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (RULE, {"families": [4]}),
        (f"iptables {RULE}\nip6tables {RULE}", {}),
        (RULE.replace("21", "2121"), {"ports": [2121], "families": [4]}),
        (f"{RULE} -i e1\n{RULE} -i e0", {"families": [4], "interfaces": ["e0", "e1"]}),
        (f"iptables {RULE} -s 10.0.0.1\nip6tables {RULE}", {"sources": ["10.0.0.1", "::/0"]}),
        (f"{RULE} -d 10.0.0.0/8,9.0.0.0/8",
         {"families": [4], "destinations": ["9.0.0.0/8", "10.0.0.0/8"]}),
        (f"{RULE}\n{RULE}".replace("PREROUTING", "OUTPUT", 1), {"families": [4]}),
    ],
)  # fmt: skip
def test_rules(rules: str, expected: dict[str, object]) -> None:
    assert keys(FTP, rules) == expected
    assert notes(convert_text(FTP, rules)) == []


@pytest.mark.parametrize(
    ("types", "rules", "note"),
    [
        (FTP, "# none", "c:2: no rule in r assigns ftp; ours handles all connections to port 21"),
        (FTP, f"{RULE} -i e0\n{RULE.replace('21', '22')}",
         "r:2: omitted this rule for ftp, in part or whole: [helpers.ftp] has the limits of r:1, which differ in"
         " more than one of ports, interfaces and addresses"),
        (FTP, RULE.replace("PREROUTING", "OUTPUT"),
         "r:1: our ftp handles incoming connections as well as this host's own"),
        (FTP, f"{RULE} -i e0\n{RULE.replace('PREROUTING', 'OUTPUT')}",
         "r:1: with `interfaces` our ftp does not handle this host's own connections"),
        ("Type ssdp inet udp { }", SSDP,
         "r:1: our ssdp handles this host's requests; for those of other hosts set `interfaces`"),
        ("Type rpc inet tcp { }\nType rpc inet udp { }", RULE.replace("ftp", "rpc").replace("21", "111"),
         "r:1: the rules for rpc have different ports for udp and tcp; ours handles all of them for both"),
    ],
)  # fmt: skip
def test_what_is_told(types: str, rules: str, note: str) -> None:
    assert notes(convert_text(types, rules)) == [note]


def test_requests_of_this_host_alone() -> None:
    types = "Type ssdp inet udp { }"
    assert notes(convert_text(types, SSDP.replace("PREROUTING", "OUTPUT"))) == []
    assert keys(types, f"{SSDP} -i e0")["interfaces"] == ["e0"]
