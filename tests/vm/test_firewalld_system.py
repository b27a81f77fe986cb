"""firewalld, NetworkManager, polkit and we under a real systemd: units in any order, and by the boot's own."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from lab.clients import download
from lab.firewalld import PACKAGING
from lab.process import LabError, wait_until
from lab.servers import start_ftp
from lab.service import UNIT, boot
from lab.system import System
from lab.topology import Lab

UNITS = ("firewalld.service", "NetworkManager.service", UNIT)
ZONE = '<?xml version="1.0" encoding="utf-8"?>\n<zone><interface name="{}"/></zone>\n'
POLICY = """<?xml version="1.0" encoding="utf-8"?>
<policy target="CONTINUE">
  <ingress-zone name="internal"/><egress-zone name="public"/><service name="fw-ftp"/>
</policy>
"""


def install(system: System) -> None:
    """What the package brings, and what the person has set up."""
    for kind in ("helpers", "services"):
        for file in (PACKAGING / "firewalld" / kind).glob("*.xml"):
            system.write(f"/usr/lib/firewalld/{kind}/{file.name}", file.read_text())
    rules = PACKAGING / "polkit" / "fwhelpers-firewalld.rules"
    system.write(f"/usr/share/polkit-1/rules.d/{rules.name}", rules.read_text())
    system.write("/etc/firewalld/zones/internal.xml", ZONE.format("lan"))
    system.write("/etc/firewalld/zones/public.xml", ZONE.format("wan"))
    system.write("/etc/firewalld/policies/lan-wan.xml", POLICY)


def fetch(lab: Lab) -> bool:
    return download(lab, "EPSV", 4, timeout=20).returncode == 0


def wait_for_transfer(lab: Lab, system: System, when: str) -> None:
    try:
        wait_until(lambda: fetch(lab), f"a transfer after {when}", 90)
    except LabError as error:
        raise LabError(f"{error}\n{system.journal(UNIT)}") from None


def state(system: System) -> str:
    name, path = "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"
    return system.run("busctl", "get-property", name, path, name, "state").stdout


def ask(system: System, user: str) -> CompletedProcess[str]:
    """Ask firewalld as a user who is not root."""
    name, path = "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"
    busctl = ("busctl", "call", name, path, name, "getServiceSettings2", "s", "fw-ftp")
    return system.run("setpriv", "--reuid", user, "--clear-groups", *busctl, check=False)


def test_any_order_and_the_boots_own(lab: Lab, system: System) -> None:
    start_ftp(lab)
    lab.run("g", "nft", "flush", "ruleset")
    boot(system, "")
    install(system)
    orders = [UNITS[n:] + UNITS[:n] for n in range(len(UNITS))]
    for order in orders:
        system.systemctl("stop", *UNITS, "fwhelpers-register.service", check=False)
        system.run("python3", "-m", "fwhelpers", "unregister")
        for unit in order:
            system.start(unit)
        assert "RUNNING" in state(system), order
        wait_for_transfer(lab, system, str(order))
    assert ask(system, "fwhelpers").returncode == 0, ask(system, "fwhelpers").stderr
    assert "Not Authorized" in ask(system, "nobody").stderr, (
        "Debian's default is the server profile"
    )
    assert "may be read" not in system.journal(UNIT)
    system.shut_down()

    system.boot(*UNITS)
    assert [system.state(unit) for unit in UNITS] == ["active"] * 3, system.journal(UNIT)
    assert "RUNNING" in state(system)
    wait_for_transfer(lab, system, "the boot")
    rules = system.run("nft", "list", "ruleset").stdout
    assert 'type "fw-ftp"' in rules.partition("table inet firewalld")[2]


def test_what_the_rule_for_polkit_allows() -> None:
    text = (PACKAGING / "polkit" / "fwhelpers-firewalld.rules").read_text()
    policy = Path("/usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy")
    policies = list(policy.parent.glob("org.fedoraproject.FirewallD1*.policy*"))
    if not policies:
        pytest.skip("firewalld is not installed")
    for action in ("info", "config.info", "policies.info"):
        name = f"org.fedoraproject.FirewallD1.{action}"
        assert f'"{name}"' in text
        assert any(f'id="{name}"' in file.read_text() for file in policies)
    assert 'FirewallD1.config"' not in text
