"""The text: exact for the examples in tests/golden/migrate, and valid for whatever could be read.

FWHELPERS_UPDATE_GOLDEN=1 writes the golden files anew; look at the diff.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from migration import HELPERS, convert_text

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.migrate import conntrackd, convert, firewall, render
from fwhelpers.migrate.convert import Result
from fwhelpers.plugin import manager as plugins

GOLDEN = Path(__file__).parents[2] / "golden" / "migrate"
INSTALLED = {
    name: helper
    for name, helper in plugins.load().helpers.items()
    if name in ("ftp", "rpc", "tftp", "tns", "mdns", "ssdp", "dhcpv6")  # more may come
}


def converted(with_rules: bool) -> Result:
    document = conntrackd.parse("/x/gateway.conf", (GOLDEN / "gateway.conf").read_text())
    files = [(f"/x/{name}", (GOLDEN / name).read_text()) for name in ("gateway.sh", "gateway.nft")]
    return convert.convert(document, firewall.read(files if with_rules else []), INSTALLED)


@pytest.mark.parametrize(("name", "with_rules"), [("plain", False), ("rules", True)])
def test_golden(name: str, with_rules: bool) -> None:
    result = converted(with_rules)
    texts = {"toml": render.toml(result), "notes": "".join(f"{note}\n" for note in result.notes)}
    for kind, text in texts.items():
        file = GOLDEN / f"{name}.{kind}"
        if os.environ.get("FWHELPERS_UPDATE_GOLDEN"):
            file.write_text(text)
        assert text == file.read_text()
    loaded = config.resolve(config.parse([("made", texts["toml"])]), INSTALLED)
    assert "ftp" in loaded.helpers


def test_a_commented_table_has_no_line_in_force() -> None:
    result = convert_text(
        "Type ftp inet tcp { Policy ftp { ExpectMax 50 } }",
        "-A PREROUTING -p tcp -m mark --mark 1 -j CT --helper ftp",
    )
    text = render.toml(result)
    assert "\n#[helpers.ftp.guard]\n# c:2\n#max_per_source = 50\n" in text
    assert tomllib.loads(text) == {}


def test_names_with_dots_and_odd_file_names() -> None:
    helpers: dict[str, Helper] = {"a.b": Helper("a.b", "tcp", [9], HELPERS["ftp"].parser)}
    document = conntrackd.parse("x\ny", "Helper { Type a.b inet tcp { } }")
    text = render.toml(convert.convert(document, firewall.read([]), helpers))
    assert tomllib.loads(text) == {"helpers": {"a.b": {"families": [4]}}}


TYPES = st.lists(
    st.builds(
        "Type {} {} {} {{ QueueNum {} Policy p {{ ExpectMax {} }} }}\n".format,
        st.sampled_from(["ftp", "rpc", "ssdp", "dhcpv6", "lamp"]), st.sampled_from(["inet", "inet6"]),
        st.sampled_from(["tcp", "udp"]), st.integers(0, 99), st.integers(0, 2**31 - 1),
    ),
    max_size=5,
).map("".join)  # fmt: skip
RULES = st.lists(
    st.builds(
        "{} -A {} -p {} --dport {} {} -j CT --helper {}\n".format,
        st.sampled_from(["iptables", "ip6tables"]), st.sampled_from(["PREROUTING", "OUTPUT"]),
        st.sampled_from(["tcp", "udp"]), st.sampled_from(["21", "111", "2000:2003", "1900"]),
        st.sampled_from(["", "-i e0", "-s 10.0.0.0/8", "-d fd00::1", "-m mark"]),
        st.sampled_from(["ftp", "rpc", "ssdp", "dhcpv6", "sip"]),
    ),
    max_size=6,
).map("".join)  # fmt: skip


@given(TYPES, RULES)
def test_what_is_made_is_valid(types: str, rules: str) -> None:
    draft = config.parse([("made", render.toml(convert_text(types, rules)))])
    try:
        config.resolve(draft, HELPERS)
    except config.ConfigError as error:  # two helpers that were given the same port
        others = [p for p in error.problems if "is already used by" not in p.message]
    else:
        others = []
    assert not others
