"""`check`: ufw's files, in the form that ufw 0.36.2 installs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fwhelpers import config
from fwhelpers.api import DatagramParser, Helper, KernelHelper
from fwhelpers.cli import check_ufw
from fwhelpers.cli.common import Setup
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.plugin.manager import Plugins

EXAMPLE = Path(__file__).parents[3] / "docs/examples/ufw/gateway.rules"
FTP = [KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")]
HELPERS = {
    "ftp": Helper("ftp", "tcp", [21], DatagramParser, kernel=FTP),
    "rpc": Helper("rpc", "udp", [111], DatagramParser),
}
INPUT = "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
FORWARD = INPUT.replace("input", "forward")
RELATED = "-A ufw-before-forward -p tcp -m conntrack --ctstate RELATED"
FRAME = """# rules.before
*filter
:ufw-before-input - [0:0]
-A ufw-before-input -i lo -j ACCEPT
{}-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
COMMIT
"""
RAW = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n"


class Ufw:
    """A root directory with ufw's files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "etc/default").mkdir(parents=True)
        (root / "etc/ufw").mkdir()
        self.defaults("")
        (root / "etc/ufw/ufw.conf").write_text("# /etc/ufw/ufw.conf\nENABLED=yes\nLOGLEVEL=low\n")
        self.rules(INPUT + FORWARD)

    def defaults(self, modules: str, ipv6: str = "no") -> None:
        text = f'# defaults\nIPV6={ipv6}\nIPT_MODULES="{modules}"\n'
        (self.root / "etc/default/ufw").write_text(text)

    def rules(self, related: str, more: str = "", family: str = "") -> None:
        text = FRAME.format(related).replace("ufw-", f"ufw{family}-") + more
        (self.root / f"etc/ufw/before{family}.rules").write_text(text)

    def check(
        self,
        toml: str = "[helpers.ftp]",
        by_port: bool = False,
        objects: tuple[dict[str, Any], ...] = (),
    ) -> list[Diagnostic | str]:
        setup = Setup(config.resolve(config.parse([("f", toml)]), HELPERS), Plugins(HELPERS))
        return list(check_ufw.rules(setup, by_port, objects, self.root))

    def mistakes(self, toml: str = "[helpers.ftp]") -> list[Diagnostic]:
        return [row for row in self.check(toml) if isinstance(row, Diagnostic)]


@pytest.fixture
def ufw(tmp_path: Path) -> Ufw:
    return Ufw(tmp_path)


def test_nothing_without_ufw(tmp_path: Path, ufw: Ufw) -> None:
    (tmp_path / "etc/ufw/ufw.conf").write_text("ENABLED=no\n")
    assert ufw.check() == []
    for file in tmp_path.rglob("*.*"):
        file.unlink()
    assert ufw.check() == []


def test_the_rules_of_the_package_accept_all(ufw: Ufw) -> None:
    assert ufw.check() == [
        f"ufw-before-{hook} accepts the related connections of all helpers; docs/ufw.md limits them"
        for hook in ("input", "forward")
    ]


def test_both_families(ufw: Ufw) -> None:
    ufw.defaults("", ipv6="yes")
    ufw.rules(INPUT, family="6")
    assert ufw.check()[2:] == [
        "ufw6-before-input accepts the related connections of all helpers; docs/ufw.md limits them",
        "ufw6-before-forward accepts related connections of no helper",
    ]


@pytest.mark.parametrize(
    "related",
    [
        "",
        FORWARD.replace("RELATED,", ""),
        FORWARD.replace("ACCEPT", "DROP"),
        "# " + FORWARD,
        "-A ufw-before-forward -p icmp -m conntrack --ctstate RELATED -j ACCEPT\n",
        "-A ufw-before-forward -m conntrack ! --ctstate RELATED -j ACCEPT\n",
        "-A ufw-after-input -m conntrack --ctstate RELATED -j ACCEPT\n",
    ],
)
def test_a_helper_whose_connections_are_not_accepted(ufw: Ufw, related: str) -> None:
    ufw.rules(related)
    (diagnostic,) = ufw.mistakes()
    assert diagnostic.where == "ftp"
    assert diagnostic.problem == "ufw accepts none of its related connections"
    assert "--ctstate RELATED -m helper --helper fw-ftp -j ACCEPT" in diagnostic.hint


def test_limits_by_helper(ufw: Ufw) -> None:
    ufw.rules(f"{RELATED} -m helper --helper fw-ftp -j ACCEPT\n")
    assert ufw.check() == [
        "ufw-before-input accepts related connections of no helper",
        "ufw-before-forward accepts related connections of fw-ftp",
    ]
    assert [d.where for d in ufw.mistakes("[helpers.ftp]\n[helpers.rpc]")] == ["rpc"]


def test_the_name_of_the_kernels_helper(ufw: Ufw) -> None:
    ufw.rules(f"{RELATED} -m helper --helper ftp -j ACCEPT\n")
    (diagnostic,) = ufw.mistakes()
    assert diagnostic.problem == "ufw accepts connections of the kernel's ftp; ours is fw-ftp"
    assert ufw.mistakes('[helpers.ftp]\nbackend = "kernel"') == []


def test_the_kernel_compares_as_many_bytes_as_the_helpers_name_has(ufw: Ufw) -> None:
    ufw.rules(f"{RELATED} -m helper --helper fw-ftp-data -j ACCEPT\n")
    assert ufw.mistakes() == []
    ufw.rules(f"{RELATED} -m helper --helper fw-f -j ACCEPT\n")
    assert len(ufw.mistakes()) == 1


def test_the_example(ufw: Ufw) -> None:
    ufw.rules(EXAMPLE.read_text())
    assert ufw.check()[1] == (
        "ufw-before-forward accepts related connections of fw-ftp, fw-tftp, fw-sip"
    )
    assert ufw.mistakes() == []


def test_the_kernels_helper_by_target_ct(ufw: Ufw) -> None:
    ufw.rules(INPUT + FORWARD, RAW)
    (diagnostic,) = ufw.mistakes()
    assert diagnostic.where == "/etc/ufw/before.rules (CT)"
    assert diagnostic.problem.startswith("assigns the kernel's ftp before ours")
    assert ufw.mistakes('[helpers.ftp]\nbackend = "kernel"') == []
    assert ufw.mistakes("[helpers.rpc]") == []


def test_targets_ct_that_ufw_left_in_the_kernel(ufw: Ufw) -> None:
    target = {"xt": {"type": "target", "name": "CT"}}
    rule = {"family": "ip", "table": "raw", "chain": "PREROUTING", "expr": [target]}
    objects = ({"table": {}}, {"rule": rule})
    text = (
        "the table raw has rules with CT, which may assign the kernel's helpers: iptables -t raw -S"
    )
    assert ufw.check(objects=objects)[2:] == [text]
    ufw.rules(INPUT + FORWARD, RAW)
    assert text not in ufw.check(objects=objects), "the file says what they assign"


def test_modules_alone_assign_nothing(ufw: Ufw) -> None:
    ufw.defaults("nf_conntrack_ftp nf_nat_ftp nf_conntrack_netbios_ns")
    assert ufw.check()[2:] == [
        "IPT_MODULES loads helpers of the kernel (ftp), which alone act nowhere: ours act"
    ]
    assert ufw.check(by_port=True)[2:] == []


def test_unreadable_rules(ufw: Ufw, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, *_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    files = {"etc/default/ufw": "IPV6=no\n", "etc/ufw/ufw.conf": "ENABLED=yes\n"}
    monkeypatch.setattr(
        Path, "read_text", lambda path, *_: files.get(str(path.relative_to(ufw.root))) or deny(path)
    )
    (text,) = ufw.check()
    assert str(text).endswith("etc/ufw/before.rules is not readable; run as root")


def test_lines_that_are_not_shell_words(ufw: Ufw) -> None:
    ufw.rules(INPUT + FORWARD + "-A ufw-before-input -m comment --comment 'open -j ACCEPT\n")
    assert ufw.mistakes() == []
