"""Sonos: SoCo and node-sonos as controllers, on a host that lets nothing in, and behind the gateway with `gena`.

The player is the test's own. node-sonos searches with an unquoted MAN, to the group and to everybody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lab import PROGRAMS
from lab.npm import MODULES
from lab.process import Process
from lab.topology import CLIENT2, SERVER, Lab
from test_discovery_path import PEERS, Host

CONTROL = (sys.executable, str(PROGRAMS / "sonos_control.py"))
PLAYER = (sys.executable, str(PROGRAMS / "sonos_player.py"))
PORT = 1400
SERVICES = 7  #: that node-sonos subscribes to
NPM_SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: ssdp:discover\r\nMX: 1\r\n"
    b"ST: urn:schemas-upnp-org:device:ZonePlayer:1"
)


def start_player(lab: Lab, ns: str, address: str) -> Process:
    player = lab.popen(ns, *PLAYER, address, name="player")
    player.wait_line("^listening$")
    return player


def control(lab: Lab, *words: str) -> list[str]:
    done = lab.run("c", *CONTROL, *words, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def control_by_node(lab: Lab, *words: str) -> list[str]:
    script = str(PROGRAMS / "sonos_control.js")
    done = lab.run("c", "env", f"NODE_PATH={MODULES}", "node", script, *words, timeout=150)
    return done.stdout.splitlines()


def search(lab: Lab, group: str, seconds: int = 20) -> str:
    words = ("4", group, "1900", "0", NPM_SEARCH.hex(), str(seconds))
    return lab.run("c", *PEERS, "ask", *words, timeout=60).stdout.strip()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        new_host = Host(lab)
        start_player(lab, "c2", CLIENT2[4])
        assert search(lab, "239.255.255.250", 3) == "silence", "the firewall lets it through anyway"
        assert control_by_node(lab, "3") == ["silence"], "the answer comes without help"
        output = control_by_node(lab, "3", CLIENT2[4])
        assert output == [f"player {CLIENT2[4]}", "subscribed", "silence", "end"]
        new_host.start_daemon("[helpers.ssdp]\n")
        yield new_host


def test_soco_finds_a_player_and_takes_its_events(host: Host) -> None:
    assert control(host.lab) == [f"player {CLIENT2[4]}", "volume 10", "volume 11", "end"]


def test_node_sonos_finds_a_player_and_takes_an_event(host: Host) -> None:
    output = control_by_node(host.lab, "30")
    assert output == [f"player {CLIENT2[4]}", "subscribed", "volume 20", "end"]


@pytest.mark.parametrize("group", ["239.255.255.250", "255.255.255.255"])
def test_a_search_as_npm_sends_it(host: Host, group: str) -> None:
    assert search(host.lab, group).startswith("answer ")


KINDS = [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "both")]


@pytest.mark.parametrize("kind", KINDS)
def test_soco_behind_the_gateway(lab: Lab, kind: str) -> None:
    lab.open("tcp", PORT)
    player = start_player(lab, "s", SERVER[4])
    daemon = lab.start_fwhelpers("[helpers.gena]\n")
    output = control(lab, lab.target())
    assert output == [f"player {lab.target()}", "volume 10", "volume 11", "end"]
    player.wait_line("^unsubscribed$")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@pytest.mark.parametrize("kind", KINDS)
def test_node_sonos_behind_the_gateway(lab: Lab, kind: str) -> None:
    """Seven subscriptions at a time have one port for their events."""
    lab.open("tcp", PORT)
    player = start_player(lab, "s", SERVER[4])
    daemon = lab.start_fwhelpers("[helpers.gena]\n")
    output = control_by_node(lab, "30", lab.target())
    assert output == [f"player {lab.target()}", "subscribed", "volume 20", "end"]
    assert [line.split()[0] for line in player.lines].count("unsubscribed") == SERVICES
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
