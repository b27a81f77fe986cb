"""The generated ruleset: exact text (tests/golden), what the kernel thinks of it, and that nothing gets in.

FWHELPERS_UPDATE_GOLDEN=1 writes the golden files anew; look at the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers import config, ruleset
from fwhelpers.api import Helper, KernelHelper, Parser
from fwhelpers.config import Config, DaemonConfig, HelperConfig
from fwhelpers.config.assignments import Assignment, ZoneAssignments, ZoneMember

GOLDEN = Path(__file__).parents[2] / "golden"

HELPERS = {
    "rpc": Helper("rpc", ("udp", "tcp"), [111], Parser),
    "ftp": Helper(
        "ftp", "tcp", [21], Parser, client_announces=True,
        kernel=[KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")],
    ),
    "tftp": Helper("tftp", "udp", [69], Parser),
    "ask": Helper(
        "ask", "udp", [1900], Parser, outgoing=True,
        groups=("239.255.255.250", "ff02::c", "ff02::1:1000/118"),
    ),
    "hear": Helper(
        "hear", "udp", [1901], Parser, outgoing=True, groups=("239.255.255.250", "ff02::c"),
        listen_for=b"NOTIFY", children=("udp", "tcp"),
    ),
    "kin": Helper(
        "kin", "tcp", [1400], Parser, client_announces=True
    ),
    "phone": Helper(
        "phone", ("udp", "tcp"), [5060], Parser, children=("udp", "tcp"), client_announces=True,
        udp_children=(0x41, 0x7A),
        kernel=[KernelHelper("Q.931", "tcp", "m"), KernelHelper("RAS", "udp", "m")],
    ),
    "lead": Helper("lead", "tcp", [1521], Parser, redirects=True),
    "shout": Helper(
        "shout", "udp", [137], Parser, families=(4,), outgoing=True, broadcast=True, unicast=True,
        kernel=[KernelHelper("netbios-ns", "udp", "nf_conntrack_netbios_ns", families=(4,))],
    ),
}  # fmt: skip

CASES = {
    "empty": ("", 2),
    "zones": ("", 2),
    "default": ("[helpers.rpc]\n[helpers.ftp]", 2),
    "one-worker": ("[helpers.ftp]", 1),
    "udp-only": ("[helpers.tftp]", 2),
    "steering-helper": ('[daemon]\nsteering = "helper"\n[helpers.rpc]\n[helpers.ftp]', 2),
    "fail-closed": ('[helpers.rpc]\nfail = "closed"\n[helpers.ftp]\nports = [21, 2121]', 4),
    "discovery": (
        """
        [helpers.ask]
        sources = ["10.0.1.2"]
        families = [4]
        [helpers.shout]
        """,
        2,
    ),
    "discovery-forwarded": (
        """
        [helpers.ftp]
        [helpers.ask]
        interfaces = ["lan"]
        [helpers.shout]
        """,
        2,
    ),
    "children": (
        """
        [helpers.ask]
        [helpers.hear]
        sources = ["10.0.1.2", "fd01::2"]
        [helpers.ftp]
        [helpers.kin]
        """,
        2,
    ),
    "children-alone": ("[helpers.hear]", 1),
    "children-of-calls": ("[helpers.phone]", 2),
    "redirects": ('[helpers.lead]\nports = [1521, 1526]\ndestinations = ["10.0.2.0/24"]', 1),
    "kernel": (
        """
        [helpers]
        ftp = { backend = "kernel", interfaces = ["lan"] }
        phone.backend = "kernel"
        tftp = {}
        shout.backend = "kernel"
        """,
        2,
    ),
    "kernel-alone": ('[helpers.ftp]\nbackend = "kernel"', 2),
    "limits": (
        """
        [helpers.rpc]
        interfaces = ["eth0", "br-lan.100"]
        sources = ["10.0.1.0/24", "10.0.1.128/25", "192.0.2.7", "fd01::/64"]
        destinations = ["10.0.2.0/24", "fd02::/64", "fd03::1"]
        [helpers.ftp]
        families = [6]
        [helpers.tftp]
        ports = [69, 6969]
        destinations = ["10.0.2.2"]
        """,
        2,
    ),
}

#: firewalld's zones: sources before interfaces, the default one last
ZONES = ZoneAssignments(
    (
        ZoneMember("internal", networks=(ip_network("10.0.9.0/24"), ip_network("fd09::/64"))),
        ZoneMember("internal", macs=("00:11:22:33:44:55",)),
        ZoneMember("home", interface="lan"),
        ZoneMember("internal", interface="vmnet+"),
        ZoneMember("public"),
    ),
    (
        Assignment("rpc", "input", ((111, "tcp"), (111, "udp")), source="internal"),
        Assignment("rpc", "input", ((1111, "tcp"),), source="internal", families=(4,)),
        Assignment("rpc", "forward", ((111, "tcp"),), source="home", target="public",
            sources=(ip_network("10.9.0.0/16"),)),
        Assignment("ftp", "forward", ((21, "tcp"),), source="home", target="internal"),
        Assignment("ask", "output", ((1900, "udp"),), target="home"),
    ),
)  # fmt: skip


def rules_of(name: str) -> str:
    text, workers = CASES[name]
    loaded = config.resolve(config.parse([(name, text)]), HELPERS)
    if name == "zones":
        helpers = {
            act.helper: replace(config.default(HELPERS[act.helper]), general=False)
            for act in ZONES.assignments
        }
        loaded = replace(loaded, helpers=helpers, scope=ZONES)
    enabled = {helper: HELPERS[helper] for helper in loaded.helpers}
    return ruleset.build(loaded, enabled, range(1000, 1000 + workers))


def texts() -> dict[str, str]:
    built = {name: rules_of(name) for name in CASES}
    return {
        **built,
        "pin": ruleset.pin_table(HELPERS.values()),
        "unpin": ruleset.unpin(),
        "teardown": ruleset.teardown(),
    }


@pytest.mark.parametrize("name", [*CASES, "pin", "unpin", "teardown"])
def test_golden(name: str) -> None:
    file = GOLDEN / f"{name}.nft"
    text = texts()[name]
    if os.environ.get("FWHELPERS_UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", sorted(CASES))
def test_connections_that_count_on_one_address_meet_one_worker(name: str) -> None:
    """G9: by the conntrack id they would be distributed, and the limits multiplied by the number of workers."""
    targets = re.findall(r"queue (?:flags bypass )?to (.*) comment", rules_of(name))
    assert targets or "queue" not in rules_of(name)
    for target in targets:
        assert re.fullmatch(
            r"\d+|jhash ct original ip6? [sd]addr mod \d+ seed 0x1 offset \d+", target
        )


def test_answers_meet_the_worker_of_their_asker() -> None:
    text = rules_of("children")
    chains = dict(re.findall(r"chain (\S+) \{(.*?)\n\t?\}", text, re.DOTALL))
    assert set(re.findall(r"ct original ip6? ([sd]addr)", chains["steer-outgoing"])) == {"saddr"}
    udp = [line for line in chains["steer-children"].splitlines() if "udp" in line]
    assert set(re.findall(r"ct original ip6? ([sd]addr)", "".join(udp))) == {"daddr"}
    assert set(re.findall(r"ct original ip6? ([sd]addr)", chains["steer-announcements"])) == {
        "daddr"
    }
    assert "daddr" not in chains["steer-children-tcp"]


def test_media_never_wait_in_a_queue() -> None:
    """The match `ct helper` sees media as well: only their first byte tells a child over UDP from them."""
    text = rules_of("children-of-calls")
    chain = re.findall(r"chain steer-children \{(.*?)\n\t?\}", text, re.DOTALL)
    udp = [line for line in chain[0].splitlines() if "l4proto udp" in line]
    assert udp
    for line in udp:
        highest = re.findall(r"@ih,0,8 \d+-(\d+) ", line)
        assert int(highest[0]) < 0x80, "RTP begins with 0x80"


def test_every_golden_file_is_tested() -> None:
    assert {file.stem for file in GOLDEN.glob("*.nft")} == set(texts())


# what nft and the kernel say


def nft(text: str, check: bool = True) -> str:
    """What nft says to it in an empty network namespace; empty: it would be taken."""
    command = ["unshare", "-n", "nft", *(["-c"] if check else []), "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@cache
def can_check() -> str:
    """Why nothing can be checked here, or empty."""
    if not shutil.which("nft") or not shutil.which("unshare"):
        return "no nft or no unshare"
    errors = nft("table inet x {\n\tflags owner\n}\n")
    return f"no table in a new network namespace: {errors or 'refused'}" if errors else ""


def without_missing_parts(text: str) -> str:
    """The same with a helper and a verdict that nearly every kernel has."""
    text = re.sub(r'type "[^"]+" protocol tcp', 'type "ftp" protocol tcp', text)
    text = re.sub(r'type "[^"]+" protocol udp', 'type "tftp" protocol udp', text)
    return re.sub(r"queue (flags bypass )?to [^\n]+", "accept", text)


def complaints(errors: str) -> list[str]:
    return re.findall(r"Error: (.*)", errors)


@pytest.mark.parametrize("name", [*CASES, "pin", "unpin", "teardown"])
def test_nft_understands_it(name: str) -> None:
    """Parsing and evaluation come before the kernel is asked: a refusal by the kernel is no syntax error."""
    if can_check():
        pytest.skip(can_check())
    errors = nft((GOLDEN / f"{name}.nft").read_text())
    missing = "Could not process rule: No such file or directory"
    assert set(complaints(errors)) <= {missing}, errors
    if errors:
        pointed = re.findall(r"Error: .*\n\s*(.*)", errors)
        assert all("helper" in line or "queue" in line for line in pointed), errors
        pytest.skip(
            "this kernel has no such helper registered, or no nft queue; nft's own part is good"
        )


@pytest.mark.parametrize("name", [*CASES, "pin", "unpin", "teardown"])
def test_the_kernel_takes_the_rest(name: str) -> None:
    if can_check():
        pytest.skip(can_check())
    probe = without_missing_parts(ruleset.pin_table([HELPERS["ftp"], HELPERS["tftp"]]))
    if errors := nft(probe):
        pytest.skip(f"this kernel has no helper of its own to stand in: {complaints(errors)[0]}")
    assert nft(without_missing_parts((GOLDEN / f"{name}.nft").read_text()), check=False) == ""


REPLACING = """
import sys
import nftables

first, second, teardown = sys.stdin.read().split("====\\n")
nft = nftables.Nftables()
for text in (first, first, second, first, second):
    assert nft.cmd(text)[::2] == (0, ""), nft.cmd(text)
print(nft.cmd("list table inet fwhelpers")[1])
assert nft.cmd(teardown)[0] == nft.cmd(teardown)[0] == 0
assert not nft.cmd("list tables")[1]
"""


def test_an_owned_table_is_replaced_whole() -> None:
    if can_check():
        pytest.skip(can_check())
    pytest.importorskip("nftables")
    import sys

    first, second = rules_of("default"), rules_of("udp-only")
    rulesets = "====\n".join(map(without_missing_parts, (first, second, ruleset.teardown())))
    if nft(without_missing_parts(first)):
        pytest.skip("this kernel has no helper of its own to stand in")
    command = ["unshare", "-n", sys.executable, "-c", REPLACING]
    done = subprocess.run(command, input=rulesets, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tftp-udp" in done.stdout
    assert "rpc" not in done.stdout
    assert "steer-tcp" not in done.stdout


# meaning


def test_a_helper_that_is_left_out_leaves_no_trace() -> None:
    text, _ = CASES["default"]
    loaded = config.resolve(config.parse([("f", text)]), HELPERS)
    built = ruleset.build(loaded, {"ftp": HELPERS["ftp"]}, range(5, 6))
    assert "rpc" not in built
    assert "111" not in built


def test_a_dry_run_needs_no_registered_helper() -> None:
    loaded = config.resolve(config.parse([("f", "[helpers.ftp]")]), HELPERS)
    built = ruleset.build(
        loaded, {"ftp": HELPERS["ftp"]}, range(5, 6), ruleset.CHECK_TABLE, unregistered=True
    )
    assert "ct helper" not in built
    assert "inet fwhelpers_check {" in built
    assert "queue" in built


def test_whatever_queues_bypasses_unless_closed() -> None:
    for name in CASES:
        for line in rules_of(name).splitlines():
            if " queue " in line.partition("comment")[0]:
                assert ("bypass" in line) != (name == "fail-closed" and " 111 " in line)


def test_labels_have_room_whatever_is_configured() -> None:
    """Without a rule that sets one, conntrack makes no room for labels and `done` could not be stored."""
    for name in CASES:
        built = rules_of(name)
        assert ("ct label set" in built) == ("queue" in built)


# nothing gets in


@pytest.mark.parametrize(
    "queues", [range(0), range(65530, 65540), range(-1, 3), range(0, 10, 2), range(5, 1, -1)]
)
def test_impossible_queues_are_refused(queues: range) -> None:
    with pytest.raises(ValueError, match="not a range of queues"):
        ruleset.build(Config(), {}, queues)


EVIL = st.text(min_size=1) | st.sampled_from(
    ['" ; flush ruleset ; "', "a\nb", "a b", "x;y", 'a"', "{"]
)
HARMLESS = re.compile(r"[A-Za-z0-9_.+=@-]+")


def build(limits: HelperConfig, helper: Helper) -> str:
    return ruleset.build(Config(DaemonConfig(), {"x": limits}), {"x": helper}, range(1, 2))


@given(EVIL)
def test_foreign_text_in_names_is_refused(text: str) -> None:
    helper = replace(HELPERS["ftp"], name=text)
    interface = HelperConfig("x", (21,), interfaces=(text,))
    attempts: list[Callable[[], str]] = [
        lambda: build(HelperConfig("x", (21,)), helper),
        lambda: build(interface, HELPERS["ftp"]),
        lambda: ruleset.pin_table([helper]),
        lambda: ruleset.teardown(text),
    ]
    for attempt in attempts:
        try:
            built = attempt()
        except ValueError:
            continue
        assert HARMLESS.fullmatch(text)
        assert text in built


@given(st.text() | st.integers() | st.booleans() | st.none())
def test_foreign_values_in_numbers_are_refused(value: Any) -> None:
    try:
        built = build(HelperConfig("x", (value,)), HELPERS["ftp"])
    except ValueError:
        return
    assert type(value) is int
    assert f"dport {value} " in built


def test_a_zone_in_a_prefix_does_not_get_in() -> None:
    network: Any = ip_network("fe80::1%eth0 accept; flush ruleset")
    built = build(HelperConfig("x", (21,), sources=(network,)), HELPERS["ftp"])
    assert "ip6 saddr fe80::1 tcp" in built
    assert "flush" not in built


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ValueError, match="not a transport"):
        ruleset.pin_table([replace(HELPERS["ftp"], l4="sctp; flush ruleset")])
