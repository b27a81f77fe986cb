"""`check`: the targets CT of iptables, as the programs themselves save them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fwhelpers.api import DatagramParser, Helper, KernelHelper
from fwhelpers.cli import check_iptables
from fwhelpers.config import HelperConfig
from fwhelpers.firewalld.rulesets import ForeignAssignment

FTP = Helper(
    "ftp", "tcp", [21], DatagramParser, kernel=[KernelHelper("ftp", "tcp", "nf_conntrack_ftp")]
)
ENABLED = [(HelperConfig("ftp", (21, 2121)), FTP)]
#: as Shorewall and synproxy's examples write them
RULES = (
    "-N loc_ctrk",
    "-A PREROUTING -i eth1 -j loc_ctrk",
    '-A loc_ctrk -p tcp --dport 21 -m comment --comment "the loc\'s" -j CT --helper ftp',
    "-A PREROUTING -p tcp -m multiport --dports 80,2000:3000 -j CT --notrack",
    "-A PREROUTING -p tcp ! --dport 21 -j CT --notrack",
    "-A PREROUTING -p udp --dport 21 -j CT --notrack",
    "-A OUTPUT -p tcp --sport 21 -j CT --notrack",
)
#: runs in namespaces of its own: lists what `read` finds
SCRIPT = """
import sys
from contextlib import closing
from fwhelpers.cli import check_iptables
from fwhelpers.kernel.nft import Nft
with closing(Nft()) as nft:
    for rule in check_iptables.read(nft.objects("ruleset")):
        print(rule.chain, *rule.words, sep="\\t")
"""


def read_in_a_namespace(program: str, tmp_path: Path) -> list[check_iptables.RawRule]:
    """Return what `read` finds after a program has loaded the rules."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    if not shutil.which(program, path=environment["PATH"]):
        pytest.skip(f"no {program}")
    (tmp_path / "list.py").write_text(SCRIPT)
    commands = [f"{program} -t raw {rule}" for rule in RULES]
    script = "; ".join([*commands, f"{sys.executable} {tmp_path}/list.py"])
    done = subprocess.run(
        ["unshare", "--net", "--map-root-user", "sh", "-ec", script],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"not available: {done.stderr.strip()[-200:]}")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [check_iptables.RawRule(chain, tuple(words)) for chain, *words in lines]


@pytest.mark.parametrize(
    ("program", "family"),
    [
        ("iptables-nft", "ip"), ("ip6tables-nft", "ip6"),
        ("iptables-legacy", "ip"), ("ip6tables-legacy", "ip6"),
    ],
)  # fmt: skip
def test_rules_of_both_variants(program: str, family: str, tmp_path: Path) -> None:
    rules = read_in_a_namespace(program, tmp_path)
    assert list(check_iptables.assignments(rules)) == [
        ForeignAssignment("ftp", f"{family} raw loc_ctrk", -300)
    ]
    assert [(d.where, d.problem) for d in check_iptables.diagnose(rules, ENABLED)] == [
        (f"{family} raw loc_ctrk", "assigns the kernel's ftp by CT --helper, before ours"),
        (f"{family} raw PREROUTING", "notrack for port 2121: helper ftp sees no connection there"),
        (f"{family} raw OUTPUT", "notrack for port 21: helper ftp sees no connection there"),
    ]


def test_nothing_is_run_without_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program of iptables-legacy creates the table that it shows."""
    monkeypatch.setattr(check_iptables, "LEGACY", {"ip": tmp_path / "none"})
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: pytest.fail("run"))
    rule = {"family": "ip", "table": "raw", "chain": "PREROUTING", "expr": [{"notrack": None}]}
    assert check_iptables.read([{"table": {"family": "ip"}}, {"rule": rule}]) == []


def test_missing_programs_are_no_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("filter\nraw\n")
    monkeypatch.setattr(check_iptables, "LEGACY", {"ip": tmp_path / "names"})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_iptables.read([]) == []
