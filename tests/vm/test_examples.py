"""The documented rulesets load, and let through what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.clients import download, mount, umount
from lab.discovery_requests import REQUESTS
from lab.servers import start_ftp, start_nfs
from lab.topology import Lab
from test_discovery_path import PEERS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.nft"))


@pytest.fixture
def bare(lab: Lab) -> Lab:
    lab.fwhelpers("register")
    lab.run("g", "nft", "flush", "ruleset")
    return lab


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_kernel_takes_it_again_and_again(bare: Lab, file: Path) -> None:
    for _ in range(2):
        bare.run("g", "nft", "-c", "-f", str(file))
        bare.run("g", "nft", "-f", str(file))
    checked = bare.fwhelpers("check", "--config", bare.config(""), check=False).stdout
    assert "no rule that accepts related" not in checked


def test_plain(bare: Lab) -> None:
    start_ftp(bare)
    start_nfs(bare)
    bare.run("g", "nft", "-f", str(ROOT / "docs/examples/plain.nft"))
    assert download(bare, "EPSV", 4, timeout=5).returncode != 0
    bare.start_fwhelpers("[helpers.ftp]\n[helpers.rpc]\n")
    for way, family in (("EPSV", 4), ("PORT", 4), ("EPSV", 6)):
        result = download(bare, way, family)
        assert result.returncode == 0, result.stderr
    result = mount(bare, "tcp")
    assert result.returncode == 0, result.stderr
    umount(bare)


def test_desktop(bare: Lab) -> None:
    bare.run("c", "nft", "-f", str(ROOT / "docs/examples/desktop.nft"))
    bare.start_fwhelpers((ROOT / "packaging/conf.d/desktop.toml").read_text(), "c")
    device = bare.popen("c2", *PEERS, "answer", "4,239.255.255.250,1900", name="device")
    device.wait_line("^listening$")
    _, _, group, port, _, request = REQUESTS["ssdp"]
    words = ("4", group, str(port), "0", request.hex(), "15")
    assert bare.run("c", *PEERS, "ask", *words).stdout.startswith("answer ")


@pytest.mark.nat("dnat")
def test_docker_publishes_a_port(bare: Lab) -> None:
    """DNAT to another port, as Docker does it."""
    start_ftp(bare)
    bare.nft(
        "table ip docker {\nchain pre {\ntype nat hook prerouting priority dstnat;\n"
        'iifname "lan" ip daddr 10.0.1.1 tcp dport 2121 dnat to 10.0.2.2:21\n}\n}\n'
    )
    bare.run("g", "nft", "-f", str(ROOT / "docs/examples/docker.nft"))
    bare.start_fwhelpers("[helpers.ftp]\nports = [21, 2121]\n")
    url = "ftp://10.0.1.1:2121/hello"
    for way in ("--disable-epsv", "-P-"):
        transfer = bare.run("c", "curl", "-sS", "-m", "30", way, url, check=False)
        assert transfer.stdout == "served by ftp\n", transfer.stderr
