"""NetworkManager, firewalld and we under a real systemd, on the real bus: links come, go and change, traffic tells.

One system for all of it, since a boot is what takes time. A transfer is tried after each change: where the helper acts
the data comes, where it does not the server names a port and the firewall refuses the connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import image
from lab.nm_gateway import MANAGER, Outcome, Premises, key, uuid
from lab.process import wait_until
from lab.servers import start_ftp
from lab.service import UNIT, boot
from lab.system import System
from lab.topology import Lab

LOGS = Path("/tmp/fwhelpers-lab/networkmanager")

POLICY = """<?xml version="1.0" encoding="utf-8"?>
<policy target="CONTINUE"><ingress-zone name="{}"/><egress-zone name="{}"/>{}</policy>
"""
ZONE = '<?xml version="1.0" encoding="utf-8"?>\n<zone>{}</zone>\n'
SERVICE = '<service name="{}"/>'

#: the same without firewalld: refused at once, so that a test need not wait for a timeout
FIREWALL = """
table inet firewall {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        tcp dport 21 accept
        ip protocol tcp reject with tcp reset
    }
}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(logs=LOGS) as created_lab:
        yield created_lab


@pytest.fixture(scope="module")
def system(lab: Lab) -> System:
    return System(lab, image.find_layer())


@pytest.fixture(scope="module")
def premises(lab: Lab, system: System) -> Premises:
    start_ftp(lab)
    lab.run("g", "nft", "flush", "ruleset")
    gateway_lab = Premises(lab, system)
    gateway_lab.profile("Office", "ethernet", "lan-c", "10.0.1.1", "zone=internal", auto=True)
    gateway_lab.profile("Uplink", "ethernet", "wan", "10.0.2.1", "zone=public", auto=True)
    gateway_lab.profile("Visitor", "ethernet", "lan-c", "10.0.1.1")
    gateway_lab.profile("Guests", "bridge", "guests0", "10.0.3.1", "[bridge]", "stp=false")
    gateway_lab.profile(
        "Guests port", "ethernet", "lan-c2", "", "master=guests0", "slave-type=bridge"
    )
    gateway_lab.profile("Tagged", "vlan", "tagged0", "10.0.5.1", "[vlan]", "parent=lan-c", "id=5")
    gateway_lab.profile("Tunnel", "wireguard", "tunnel0", "10.0.7.1", *tunnel(lab))
    system.write("/etc/firewalld/zones/internal.xml", ZONE.format(""))
    system.write("/etc/firewalld/zones/public.xml", ZONE.format(""))
    system.write("/etc/firewalld/zones/external.xml", ZONE.format(SERVICE.format("fw-ftp-client")))
    for name, ingress, inner in (
        ("open", "ANY", '<port port="21" protocol="tcp"/>'),  # whatever happens
        ("lan-wan", "internal", SERVICE.format("fw-ftp")),
    ):
        for egress in ("public", "external"):
            text = POLICY.format(ingress, egress, inner)
            system.write(f"/etc/firewalld/policies/{name}-{egress}.xml", text)
    boot(system, "", "firewalld.service", MANAGER, UNIT)
    states = {unit: system.state(unit) for unit in ("firewalld.service", MANAGER, UNIT)}
    assert set(states.values()) == {"active"}, f"{states}\n{system.journal()[-8000:]}"
    return gateway_lab


def tunnel(lab: Lab) -> list[str]:
    """The client's end of a tunnel, and what the gateway's profile says of it."""
    lab.run("c", "ip", "link", "add", "tunnel0", "type", "wireguard")
    lab.run("c", "ip", "address", "add", "10.0.7.2/24", "dev", "tunnel0")
    lab.run("c", "ip", "link", "set", "tunnel0", "up")
    lab.namespaces["c"].path("/run/lab/key").write_text(key(1))
    lab.run("c", "wg", "set", "tunnel0", "private-key", "/run/lab/key")
    own = lab.run("c", "wg", "show", "tunnel0", "public-key").stdout.strip()
    port = ["[wireguard]", f"private-key={key(2)}", "listen-port=51820", "peer-routes=false"]
    return [*port, f"[wireguard-peer.{own}]", "allowed-ips=0.0.0.0/0"]


def knock(lab: Lab) -> None:
    """Let the client's end forget what it agreed on with a gateway's end that is gone; it would try that for 15 s."""
    gateway = lab.run("c", "wg", "pubkey", input=key(2)).stdout.strip()
    lab.run("c", "wg", "set", "tunnel0", "peer", gateway, "remove")
    peer = f"peer {gateway} endpoint 10.0.1.1:51820 allowed-ips 0.0.0.0/0"
    lab.run("c", "wg", "set", "tunnel0", *peer.split())


def test_a_profiles_zone_decides(premises: Premises) -> None:
    premises.helped("after the boot, by the policy from zone internal")
    assert 'iifname "lan-c" goto fwd.internal' in premises.fwhelpers("ruleset")
    talk = premises.talk(4)
    assert talk.go(), "a flow in progress"

    premises.nmcli("connection", "modify", "Office", "connection.zone", "work")
    premises.refused("the profile is of zone work, which no policy lets through")
    assert talk.go(), "a flow in progress lost its helper with the last zone that had it"
    premises.nmcli("connection", "modify", "Office", "connection.zone", "internal")
    premises.helped("the profile is of zone internal again")
    assert talk.go(), "a flow in progress lost its helper when its zone came back"

    premises.nmcli("connection", "down", "Office")
    premises.ip("g", "address add 10.0.1.1/24 dev lan-c")
    premises.refused(
        "the connection is down: the link, with somebody else's address, is of the default zone"
    )
    premises.nmcli("connection", "up", "Office")
    premises.helped("the connection is up again")
    assert talk.go(), "a flow in progress lost its helper while the connection was down"


def test_a_zones_own_service(premises: Premises) -> None:
    """The gateway as client, with active FTP: what opens is a connection to itself."""
    premises.refused("zone public has no service with the helper", client="g", way="PORT")
    premises.nmcli("connection", "modify", "Uplink", "connection.zone", "external")
    premises.helped("zone external has fw-ftp-client", client="g", way="PORT")
    premises.helped("and the policy leads there as well")
    premises.nmcli("connection", "modify", "Uplink", "connection.zone", "public")
    premises.refused("zone public again", client="g", way="PORT")


def test_a_restart_beside_firewalld(premises: Premises) -> None:
    premises.helped("before")
    talk = premises.talk(2)
    premises.system.systemctl("stop", MANAGER)
    assert premises.fetch() is Outcome.HELPED, "firewalld keeps its zones, and we keep ours"
    assert talk.go(), "a flow in progress, without NetworkManager"
    premises.system.start(MANAGER)
    wait_until(premises.answers, "NetworkManager's start to be over")
    assert premises.fetch() is Outcome.HELPED
    assert talk.go(), "a flow in progress, after its return"


NAMED = """
[firewalld]
follow = false

[helpers.ftp]
interfaces = [{}]
"""


@pytest.fixture(scope="module")
def alone(premises: Premises) -> Premises:
    """Without firewalld; the kernel has a ruleset of the person's own."""
    premises.system.systemctl("stop", "firewalld.service")
    premises.lab.nft(FIREWALL)
    premises.configure(NAMED.format('"profile:Office", "type:bridge", "type:vpn", "type:vlan"'))
    return premises


def test_connections_by_name(alone: Premises) -> None:
    alone.helped("connection Office is up")
    rules = alone.fwhelpers("ruleset")
    assert re.search(r'iifname .*"lan-c".* tcp dport 21 .*counter', rules), rules
    rows = [line.split() for line in alone.fwhelpers("check").splitlines()]
    assert ["ok", "state:", "profile:Office", "(lan-c)"] in rows, rows
    assert ["ok", "state:", "type:vlan", "(tagged0)"] in rows, rows
    talk = alone.talk(3)
    alone.nmcli("connection", "modify", "Office", "connection.id", "Desk")
    alone.refused("the connection has another name")
    assert talk.go(), "a flow in progress lost its helper with the name"
    alone.nmcli("connection", "modify", "Desk", "connection.id", "Office")
    alone.helped("the connection has its name again")

    alone.nmcli("connection", "up", "Visitor")
    alone.refused("another connection is up on the device")
    alone.nmcli("connection", "up", "Office")
    alone.helped("Office is up again")
    alone.nmcli("connection", "down", "Office")
    alone.ip("g", "address add 10.0.1.1/24 dev lan-c")
    alone.refused("the connection is down, the link has somebody else's address")
    assert talk.go(), "a flow in progress lost its helper with the connection"
    alone.nmcli("connection", "up", "Office")
    alone.helped("the connection is up again")
    assert talk.go(), "a flow in progress lost its helper when the connection came back"


def test_killed_during_a_transfer(alone: Premises) -> None:
    alone.helped("before")
    lab, system = alone.lab, alone.system
    talk = alone.talk(2)
    feed = lab.namespaces["c"].path("/run/lab/feed")
    lab.run("c", "mkfifo", "/run/lab/feed")
    url = f"ftp://{lab.target()}/pub/slow"
    upload = lab.popen("c", "sh", "-c", f"exec curl -sS -T - {url} </run/lab/feed", name="upload")
    file = lab.namespaces["s"].path("/srv/ftp/pub/slow")
    with feed.open("wb", buffering=0) as pipe:
        pipe.write(b"before\n")
        wait_until(lambda: file.exists() and file.read_bytes() == b"before\n", "the first part")
        gone = alone.count("NetworkManager stopped")
        first = main_pid(system)
        system.systemctl("kill", "--kill-whom=main", "--signal=KILL", MANAGER)
        alone.wait_logged("NetworkManager stopped", gone)
        assert alone.fetch() is Outcome.HELPED, "what was up counts as up"
        wait_until(lambda: main_pid(system) not in (0, first), "systemd to start it again")
        wait_until(alone.answers, "NetworkManager's start to be over")
        assert alone.fetch() is Outcome.HELPED, "after its return"
        assert talk.go(), "a flow in progress"
        pipe.write(b"after\n")
    assert upload.wait() == 0, upload.tail()
    assert file.read_bytes() == b"before\nafter\n"
    alone.nmcli("connection", "modify", "Office", "connection.id", "Desk")
    alone.refused("it is heard as before")
    alone.nmcli("connection", "modify", "Desk", "connection.id", "Office")
    alone.helped("and again")


def main_pid(system: System) -> int:
    return int(system.systemctl("show", "--property=MainPID", "--value", MANAGER).stdout)


def test_our_own_restart(alone: Premises) -> None:
    alone.helped("before")
    talk = alone.talk(2)
    alone.system.systemctl("restart", UNIT)
    assert alone.fetch() is Outcome.HELPED, "it asks before it is ready"
    assert talk.go(), "a flow in progress"
    alone.system.systemctl("stop", MANAGER)
    alone.system.systemctl("restart", UNIT)
    alone.refused("nobody says what is up")
    assert talk.go(), "a flow in progress, where the helper acts nowhere"
    alone.system.start(MANAGER)
    alone.helped("NetworkManager is back")


def test_a_bridge_with_a_port_and_another_name(alone: Premises) -> None:
    alone.ip("c2", "address replace 10.0.3.2/24 dev eth0", "route replace default via 10.0.3.1")
    alone.ip("g", "address add 10.0.3.1/24 dev lan-c2")
    alone.refused("a plain link is no bridge", client="c2")
    alone.ip("g", "address flush dev lan-c2")
    alone.nmcli("connection", "up", "Guests")
    alone.nmcli("connection", "up", "Guests port")
    alone.helped("through the bridge", client="c2")
    alone.ip("g", "link set guests0 down", "link set guests0 name lobby", "link set lobby up")
    # NetworkManager's addresses bring no route of their own, and it does not always put back what went with the link
    alone.ip("g", "route replace 10.0.3.0/24 dev lobby src 10.0.3.1")
    alone.helped("through the bridge by its other name", client="c2")
    alone.ip("g", "link delete lobby")
    wait_until(lambda: alone.idle("lan-c2"), "the port to be free")
    alone.ip("g", "address add 10.0.3.1/24 dev lan-c2")
    alone.refused("the bridge is gone", client="c2")


def test_tunnels_that_come_and_go(alone: Premises) -> None:
    alone.nmcli("connection", "modify", "Office", "connection.id", "Desk")
    alone.ip("c", "link add link eth0 name tagged0 type vlan id 5")
    alone.ip("c", "address add 10.0.5.2/24 dev tagged0", "link set tagged0 up")
    alone.refused("the link beneath is named no more")
    for name, via in (("Tunnel", "10.0.7.1"), ("Tagged", "10.0.5.1"), ("Tunnel", "10.0.7.1")):
        alone.nmcli("connection", "up", name)
        knock(alone.lab)
        alone.ip("c", f"route replace 10.0.2.2 via {via}")
        alone.helped(f"{name} is up")
        alone.ip("c", "route delete 10.0.2.2")
        assert alone.fetch() is Outcome.REFUSED, f"beside {name} nothing is helped"
        alone.nmcli("connection", "down", name)
    alone.configure(NAMED.format(f'"profile:{uuid("Office")}"'))
    alone.helped("a UUID stays, whatever the name")
    alone.nmcli("connection", "modify", "Desk", "connection.id", "Office")


def test_nothing_failed_inside(premises: Premises) -> None:
    journal = premises.system.journal(UNIT)
    assert not [line for line in journal.splitlines() if "Traceback" in line or "Error" in line]
