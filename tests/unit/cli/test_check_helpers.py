"""`check`: for each protocol the helper that acts, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fwhelpers import config
from fwhelpers.api import DatagramParser, Helper, KernelHelper
from fwhelpers.cli import check_firewalls, check_helpers, check_iptables, check_ufw
from fwhelpers.cli.common import Setup
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.rulesets import ForeignAssignment
from fwhelpers.kernel.nft import NftError
from fwhelpers.plugin.manager import Plugins
from fwhelpers.registration import kernel_helpers

FTP = [KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")]
HELPERS = {
    "ftp": Helper("ftp", "tcp", [21], DatagramParser, kernel=FTP),
    "rpc": Helper("rpc", "udp", [111], DatagramParser),
}
EARLY = ForeignAssignment("ftp", "ip raw PREROUTING", -300)
LATE = ForeignAssignment("ftp", "inet fw prerouting", 0)
OTHER = ForeignAssignment("irc", "inet fw prerouting", -300)


def setup(text: str) -> Setup:
    return Setup(config.resolve(config.parse([("f", text)]), HELPERS), Plugins(HELPERS))


def lines(text: str, *foreign: ForeignAssignment, by_port: bool = False) -> list[str]:
    return list(check_helpers.describe(setup(text).config, HELPERS, foreign, by_port))


def test_ours_and_the_kernels() -> None:
    assert lines("[helpers.ftp]\n[helpers.rpc]") == [
        "ftp: ours (fw-ftp)",
        "rpc: ours (rpc); the kernel has none",
    ]
    assert lines('[helpers.ftp]\nbackend = "kernel"') == [
        'ftp: the kernel\'s (ftp), by backend = "kernel"'
    ]


def test_rules_of_other_tables_are_the_reason() -> None:
    assert lines("[helpers.ftp]", EARLY, OTHER) == [
        "ftp: the kernel's, by ip raw PREROUTING at priority -300 before our rules; ours for what they leave"
    ]
    assert lines("[helpers.ftp]", LATE) == [
        "ftp: ours (fw-ftp); the kernel's for what we leave, by inet fw prerouting at priority 0"
    ]
    assert lines("[helpers.rpc]", LATE, LATE) == [
        "ftp: the kernel's, by inet fw prerouting at priority 0; [helpers.ftp] is not enabled",
        "rpc: ours (rpc); the kernel has none",
    ]


def test_old_kernels_assign_by_port() -> None:
    ftp, rpc = lines("[helpers.ftp]\n[helpers.rpc]", by_port=True)
    assert ftp.startswith("ftp: the kernel's, by port before our rules (nf_conntrack_helper = 1)")
    assert rpc == "rpc: ours (rpc); the kernel has none"


class Rules:
    """A kernel without the module."""

    def check(self, text: str) -> None:
        raise NftError("no")

    def objects(self, kind: str) -> list[dict[str, Any]]:
        chain = {"family": "inet", "table": "fw", "name": "pre", "prio": 0}
        helper = {"family": "inet", "table": "fw", "name": "x", "type": "ftp"}
        rule = {"family": "inet", "table": "fw", "chain": "pre", "expr": [{"ct helper": "x"}]}
        return [{"chain": chain}, {"ct helper": helper}, {"rule": rule}]

    def close(self) -> None:
        pass


def test_missing_modules_are_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", Rules)
    monkeypatch.setattr(check_helpers, "effective", lambda files: (files, []))
    monkeypatch.setattr(check_firewalls, "AUTOMATIC", tmp_path / "none")
    text, diagnostic = check_helpers.acting(setup('[helpers.ftp]\nbackend = "kernel"'))
    assert text == 'ftp: the kernel\'s (ftp), by backend = "kernel"'
    assert diagnostic == Diagnostic(
        "ftp",
        "the kernel has no helper of its own",
        "modprobe nf_conntrack_ftp, then fwhelpers reload",
    )
    (text,) = check_helpers.acting(setup("[helpers.ftp]"))
    assert (
        text == "ftp: ours (fw-ftp); the kernel's for what we leave, by inet fw pre at priority 0"
    )


def test_targets_ct_of_ufw_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", Rules)
    monkeypatch.setattr(check_helpers, "effective", lambda files: (files, []))
    rule = ("PREROUTING", "-p", "tcp", "--dport", "21", "-j", "CT", "--helper", "ftp")
    file = check_ufw.RulesFile("/etc/ufw/before.rules", (rule,), "ufw-")
    monkeypatch.setattr(check_ufw, "read_files", lambda: [file])
    (text,) = check_helpers.acting(setup("[helpers.ftp]"))
    assert text == (
        "ftp: the kernel's, by /etc/ufw/before.rules (CT) at priority -300 before our rules;"
        " ours for what they leave"
    )


def test_targets_ct_of_iptables_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", Rules)
    monkeypatch.setattr(check_helpers, "effective", lambda files: (files, []))
    rule = check_iptables.RawRule("ip raw loc_ctrk", ("-j", "CT", "--helper", "ftp"))
    monkeypatch.setattr(check_iptables, "read", lambda objects: [rule])
    (text,) = check_helpers.acting(setup("[helpers.ftp]"))
    assert text == (
        "ftp: the kernel's, by ip raw loc_ctrk at priority -300 before our rules;"
        " ours for what they leave"
    )


def test_missing_translation_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rules, "check", lambda self, text: None)
    monkeypatch.setattr(kernel_helpers.untranslated, "__defaults__", (tmp_path,))
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", Rules)
    monkeypatch.setattr(check_helpers, "effective", lambda files: (files, []))
    _, diagnostic = check_helpers.acting(setup('[helpers.ftp]\nbackend = "kernel"'))
    assert isinstance(diagnostic, Diagnostic)
    assert diagnostic.where == "ftp"
    assert diagnostic.problem.endswith("module nf_nat_ftp is not loaded (modprobe nf_nat_ftp)")
