"""The files for firewalld: made of the helpers, and what it and modprobe read in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fwhelpers.api import Helper, Parser
from fwhelpers.firewalld.model import FirewalldHelper
from fwhelpers.firewalld.xml import BUNDLES, files, name
from fwhelpers.plugin import manager as plugins

SHIPPED = Path(__file__).parents[3] / "packaging" / "firewalld"
STOCK = Path("/usr/lib/firewalld")


def test_the_shipped_files_are_what_the_helpers_say() -> None:
    texts = files(plugins.load().helpers.values())
    shipped = {
        str(f.relative_to(SHIPPED)): f.read_text() for f in SHIPPED.rglob("*") if f.is_file()
    }
    assert shipped == texts, "fwhelpers firewalld-files packaging/firewalld"


@pytest.mark.parametrize("helper", plugins.load().helpers.values(), ids=lambda helper: helper.name)
def test_firewalld_finds_the_kernels_name(helper: Helper) -> None:
    root = ElementTree.fromstring(files([helper])[f"helpers/{name(helper)}.xml"])
    assert FirewalldHelper("x", root.attrib["module"]).kernel_name == helper.kernel_name
    assert len(helper.kernel_name) <= 15
    ports = {(int(p.attrib["port"]), p.attrib["protocol"]) for p in root.findall("port")}
    assert ports == (
        set() if helper.outgoing else {(p, l4) for p in helper.ports for l4 in helper.l4s}
    )


def test_a_name_with_a_dot_and_text_with_markup() -> None:
    texts = files([Helper("a.b", "tcp", [7], Parser, doc="<b> & 'c'")])
    root = ElementTree.fromstring(texts["services/fw-a-b.xml"])
    assert root.findtext("description", "").startswith("<b> & 'c'. Opens the control port")
    assert "services/fw-a-b-client.xml" in texts
    assert "services/fw-nfs3.xml" not in texts


def test_a_client_and_discovery_open_nothing() -> None:
    texts = files(plugins.load().helpers.values())
    for file in (
        "services/fw-tftp-client.xml",
        "services/fw-ssdp.xml",
        "services/fw-discovery.xml",
    ):
        assert "<port" not in texts[file]


def _firewalld() -> Path:
    if not STOCK.exists():
        pytest.skip("firewalld is not installed")
    return STOCK


def test_nothing_of_firewalld_is_shadowed() -> None:
    stock = _firewalld()
    for kind in ("helpers", "services"):
        own = {file.name for file in (SHIPPED / kind).iterdir()}
        # an installed package of ours is no clash
        theirs = {file.name for file in (stock / kind).iterdir() if not file.name.startswith("fw-")}
        assert not own & theirs
    for bundle in BUNDLES.values():
        for include in bundle.includes:
            assert (stock / "services" / f"{include}.xml").exists() or include.startswith("fw-")


_READ = """
import sys
from firewall.core.io.helper import helper_reader
from firewall.core.io.service import service_reader
for kind, read in (("helpers", helper_reader), ("services", service_reader)):
    import os
    for name in sorted(os.listdir(sys.argv[1] + "/" + kind)):
        read(name, sys.argv[1] + "/" + kind)
        print(name)
"""


def test_firewalld_reads_them() -> None:
    _firewalld()
    result = subprocess.run(
        ["/usr/bin/python3", "-c", _READ, str(SHIPPED)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.split()) == len([*SHIPPED.glob("*/*.xml")])


def test_modprobe_reads_the_aliases(tmp_path: Path) -> None:
    if not shutil.which("modprobe", path="/usr/sbin:/sbin"):
        pytest.skip("no modprobe")
    shutil.copy(SHIPPED / "modprobe.conf", tmp_path / "fwhelpers.conf")
    shown = subprocess.run(
        ["/sbin/modprobe", "-C", str(tmp_path), "--showconfig"], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    assert "alias nf_conntrack_rpc nfnetlink_cthelper" in shown
    assert re.search(r"install nfct_helper_rpc /usr/bin/fwhelpers register --no-pin", shown)
