"""Requests to groups and broadcast addresses through the engine; their rules alone are in test_onlink.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from connection import Connection, FakeMaker

from fwhelpers.api import DatagramParser, Endpoint, Event, Expect, Helper, Policy
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.onlink import ANY_IPV6, NO_LINKS
from fwhelpers.engine.verdict import Report
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import netmask


def prefix(text: str) -> Prefix:
    host, _, length = text.partition("/")
    return Prefix(Endpoint.parse(host).addr, int(length))


LAN = prefix("10.0.1.0/24")


class Ask(DatagramParser):
    """`port timeout l4 host`, all but the port may be left out."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        port, timeout, l4, host = [*data.decode().split(), *[""] * 3][:4]
        asker = self.flow.client
        end = Endpoint.parse(host, int(port)) if host else asker.at(int(port))
        lifetime = int(timeout) if timeout else None
        return [
            Expect(
                self.flow.server, end, l4=l4, sport=None if l4 else 1900, permanent=True,
                timeout=lifetime, sources="on-link",
            )
        ]  # fmt: skip


ASK = Helper(
    "ask", "udp", [1900], Ask, [Policy("answer", max=8, timeout=30)], outgoing=True,
    groups=("239.255.255.250", "ff02::c"), broadcast=True,
)  # fmt: skip
GROUP = "239.255.255.250:1900"


class FixedLinks:
    """Fixed answers: the networks by interface, and this machine's own addresses."""

    def __init__(self, networks: dict[int, list[Prefix]], *own: str) -> None:
        self._networks = networks
        self._own = {Endpoint.parse(address).addr for address in own}

    def __call__(self, index: int) -> list[Prefix]:
        return self._networks.get(index, [])

    def own(self, addr: bytes) -> bool | None:
        return addr in self._own


class Asked(Connection):
    """A request on its way out of interface 2, whose network is 10.0.1.0/24."""

    def __init__(
        self,
        client: str = "10.0.1.2:40000",
        server: str = GROUP,
        helper: Helper = ASK,
        **options: str,
    ) -> None:
        self.networks = {2: [LAN, prefix("fd01::/64")]}
        self.heard: list[Report] = []
        maker = FakeMaker()
        inspector = Inspector(
            {"ask": Active(helper, {}, Limits())}, maker, self.heard.append,
            links=FixedLinks(self.networks),
        )  # fmt: skip
        super().__init__(helper, "udp", client, server, inspector=inspector, maker=maker, **options)

    def ask(self, text: str, **extra: int) -> list[Tuple]:
        """Returns what is expected, in the order of making; for a connection that is confirmed."""
        self.extra = dict(extra)
        before = len(self.maker.created)
        self.say(text.encode(), False)
        return [e.tuple for e in self.maker.created[before:]]

    @property
    def refused(self) -> list[str]:
        return [note.rule for note in self.heard if note.kind == "refused"]


HEAR = replace(ASK, listen_for=b"NOTIFY")


@pytest.mark.parametrize(
    ("sender", "indev", "rules"),
    [
        # 10.0.9.7 is behind another interface: rp_filter=2 lets it in; nothing is known of link 3
        ("10.0.1.7", 2, []), ("10.0.9.7", 2, ["G8"]), ("8.8.8.8", 2, ["G8"]), ("10.0.1.7", 3, ["G8"]),
        ("fe80::7", 3, []), ("fd01::7", 2, []), ("2001:db8::7", 2, ["G8"]),
    ],
)  # fmt: skip
def test_g8_who_announces_is_on_the_link(sender: str, indev: int, rules: list[str]) -> None:
    """A3: a forged source would be opened to the whole link."""
    v6 = ":" in sender
    client = f"[{sender}]:40000" if v6 else f"{sender}:40000"
    asked = Asked(client, "[ff02::c]:1900" if v6 else GROUP, HEAR)
    asked.ask("40001 5 tcp", hook=nfqueue.LOCAL_IN, indev=indev)
    assert asked.refused == rules
    assert bool(asked.maker.created) is not bool(rules)


@pytest.mark.parametrize(
    ("client", "indev", "rules"),
    [("10.0.1.2", 2, []), ("10.0.9.2", 2, ["G8"]), ("192.0.2.1", 0, [])],
)
def test_g8_a_forwarded_request_comes_from_its_link(
    client: str, indev: int, rules: list[str]
) -> None:
    asked = Asked(f"{client}:40000")
    asked.ask("40000", hook=nfqueue.POST_ROUTING if indev else nfqueue.LOCAL_OUT, indev=indev)
    assert asked.refused == rules


def test_answers_from_the_link_to_the_very_socket() -> None:
    asked = Asked()
    (expected,) = asked.ask("40000")
    me = Endpoint.parse("10.0.1.2").addr
    assert expected == Tuple(LAN.addr, me, 17, 1900, 40000)
    (expectation,) = asked.maker.created
    assert expectation.mask.src == netmask(4, 24)
    assert (expectation.mask.sport, expectation.flags, expectation.nat, expectation.timeout) == (
        0xFFFF,
        1,
        None,
        30,
    )


def test_one_expectation_a_network() -> None:
    asked = Asked()
    asked.networks[2].append(prefix("192.0.2.0/24"))
    assert [t.src for t in asked.ask("40000")] == [LAN.addr, prefix("192.0.2.0/24").addr]


def test_the_first_packet_carries_them_one_by_one() -> None:
    asked = Asked()
    asked.networks[2].append(prefix("192.0.2.0/24"))
    asked.extra = {"status": 0}
    first = asked.say(b"40000", False)
    assert first.repeat
    assert first.expectation
    assert first.expectation.tuple.src == LAN.addr
    second = asked.say(b"40000", False)
    assert not second.repeat
    assert second.expectation
    assert second.expectation.tuple.src == prefix("192.0.2.0/24").addr


@pytest.mark.parametrize("port", [68, 137, 427, 546, 5353])
def test_the_askers_own_port_may_be_any(port: int) -> None:
    assert Asked(f"10.0.1.2:{port}").ask(str(port))


@pytest.mark.parametrize("port", [22, 137, 3306])
def test_g6_another_port_of_the_asker(port: int) -> None:
    asked = Asked()
    assert not asked.ask(str(port))
    assert asked.refused == ["G6"]


def test_g6_the_same_number_over_tcp_is_another_socket() -> None:
    asked = Asked("10.0.1.2:443")
    assert not asked.ask("443 30 tcp")
    assert asked.refused == ["G6"]


def test_announced_tcp_port() -> None:
    (expected,) = Asked().ask("1716 30 tcp")
    assert (expected.l4, expected.dport, expected.sport) == (6, 1716, 0)


def test_g5_answers_for_somebody_else() -> None:
    asked = Asked()
    assert not asked.ask("40000 30 udp 10.0.1.9")
    assert asked.refused == ["G5"]


@pytest.mark.parametrize("hook", [0, nfqueue.LOCAL_IN])
def test_g1_a_received_request_opens_nothing(hook: int) -> None:
    asked = Asked()
    assert not asked.ask("40000", hook=hook)
    assert not asked.heard


@pytest.mark.parametrize("hook", [nfqueue.LOCAL_OUT, nfqueue.FORWARD, nfqueue.POST_ROUTING])
def test_a_request_that_leaves_does(hook: int) -> None:
    assert Asked().ask("40000", hook=hook)


def test_g1_a_reply_in_the_flow_itself_opens_nothing() -> None:
    asked = Asked()
    asked.say(b"40000", True)
    assert not asked.maker.created


def test_g8_an_interface_that_is_not_known() -> None:
    asked = Asked()
    assert not asked.ask("40000", outdev=7)
    assert asked.refused == ["G8"]
    assert NO_LINKS(7) == ()


def test_g8_a_request_to_one_host() -> None:
    asked = Asked(server="10.0.1.3:1900")
    assert not asked.ask("40000")
    assert asked.refused == ["G8"]


@pytest.mark.parametrize(
    ("server", "source"), [("10.8.0.4:1900", "10.8.0.4/32"), ("10.0.1.255:1900", "10.0.1.0/24")]
)
def test_a_request_to_one_host_opens_to_that_host_if_the_helper_says_so(
    server: str, source: str
) -> None:
    asked = Asked(server=server, helper=replace(ASK, unicast=True))
    (expected,) = asked.ask("40000")
    (expectation,) = asked.maker.created
    host, length = source.split("/")
    assert expected.src == Endpoint.parse(host).addr
    assert int.from_bytes(expectation.mask.src, "big").bit_count() == int(length)
    assert expected.dst == Endpoint.parse("10.0.1.2").addr


@pytest.mark.parametrize(("client", "rules"), [("10.0.1.2", []), ("10.0.9.2", ["G8"])])
def test_g8_a_forwarded_request_to_one_host_comes_from_its_link(
    client: str, rules: list[str]
) -> None:
    asked = Asked(f"{client}:40000", "10.8.0.4:1900", replace(ASK, unicast=True))
    asked.ask("40000", indev=2)
    assert asked.refused == rules


def test_g8_only_helpers_that_are_outgoing() -> None:
    asked = Asked(helper=Helper("ask", "udp", [1900], Ask))
    assert not asked.ask("40000")
    assert asked.refused == ["G8"]


def test_g15_under_nat_nothing_opens() -> None:
    # nf_nat_follow_master() would make the group the answer's source, and the gateway's own socket reachable
    asked = Asked(seen_client="198.51.100.1:40000")
    assert not asked.ask("40000")
    assert asked.refused == ["G15"]
    moved = Asked(seen_client="10.0.1.2:50000")
    assert not moved.ask("40000")
    assert moved.refused == ["G15"]


def test_ipv6_by_scope() -> None:
    (near,) = Asked("[fe80::2]:40000", "[ff02::c]:1900").ask("40000")
    assert near.src == ANY_IPV6.addr
    (far,) = Asked("[fd01::2]:40000", "[ff02::c]:1900").ask("40000")
    assert far.src == prefix("fd01::/64").addr


def test_withdrawn_after_its_own_time() -> None:
    asked = Asked()
    (expected,) = asked.ask("40000 5")
    asked.inspector.tick(asked.now + 4.9)
    assert not asked.maker.deleted
    asked.inspector.tick(asked.now + 5.1)
    assert asked.maker.deleted == [expected]
    asked.inspector.tick(asked.now + 100)
    assert asked.maker.deleted == [expected]


def test_asking_again_prolongs() -> None:
    asked = Asked()
    asked.ask("40000 5")
    asked.now += 3
    asked.ask("40000 5")
    asked.inspector.tick(asked.now + 3)
    assert not asked.maker.deleted
    asked.inspector.tick(asked.now + 5.1)
    assert len(asked.maker.deleted) == 1


def test_the_policys_time_is_the_kernels_affair() -> None:
    asked = Asked()
    asked.ask("40000 300")
    asked.inspector.tick(asked.now + 1000)
    assert not asked.maker.deleted


def test_the_master_lives_as_long() -> None:
    asked = Asked()
    asked.extra = {"timeout": 10}
    assert (asked.say(b"40000 20", False).timeout or 0) >= 20


def test_g9_for_each_client() -> None:
    """Whatever number of sockets it asks from."""
    first = Asked()
    for port in range(40000, 40040):
        socket = Connection(
            ASK, "udp", f"10.0.1.2:{port}", GROUP, inspector=first.inspector, maker=first.maker
        )
        socket.say(b"%d" % port, False)
    assert len(first.maker.created) == 32
    assert first.refused == ["G9"] * 8


class Say(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return [Expect(self.flow.server, Endpoint.parse(data.decode(), 40001))]


SAY = Helper("say", "udp", [1900], Say, [Policy("answer", max=8, timeout=30)])
LOOSE = Active(SAY, {}, Limits(address="announced"))


def announced(host: str, *own: str, server: str = "10.0.2.2:1900") -> list[str]:
    """What comes of an announcement of this host, on a machine with these addresses: rules, or [] for an opening."""
    maker, heard = FakeMaker(), list[Report]()
    links = FixedLinks({2: [LAN]}, *own)
    inspector = Inspector({"say": LOOSE}, maker, heard.append, links=links)
    connection = Connection(SAY, "udp", "10.0.1.2:40000", server, inspector=inspector, maker=maker)
    connection.c(host.encode())
    refused = [note.rule for note in heard if note.kind == "refused"]
    assert bool(maker.created) is not bool(refused)
    return refused


def test_g16_what_is_forwarded_opens_nothing_on_this_machine() -> None:
    assert announced("10.0.1.1", "10.0.1.1", "10.0.2.1") == ["G16"]
    assert announced("10.0.1.9", "10.0.1.1", "10.0.2.1") == []


def test_g5_no_setting_allows_the_broadcast_address_of_a_link() -> None:
    assert announced("10.0.1.255") == ["G5"]
    assert announced("10.0.3.255") == []


def test_g16_leaves_the_hosts_own_connections_alone() -> None:
    assert announced("10.0.1.1", "10.0.1.2", "10.0.1.1") == []  # the client is here
    assert announced("10.0.1.1", "10.0.2.2", "10.0.1.1") == []  # the server is
    assert announced("10.0.1.2", "10.0.1.2") == []


class UnknownAddresses(FixedLinks):
    """This machine's addresses have not been read."""

    def own(self, addr: bytes) -> bool | None:
        return None


@pytest.mark.parametrize(("host", "rules"), [("10.0.1.9", ["G16"]), ("10.0.1.2", [])])
def test_g16_while_addresses_are_unknown_only_the_ends_themselves_may_be_named(
    host: str, rules: list[str]
) -> None:
    maker, reports = FakeMaker(), list[Report]()
    links = UnknownAddresses({})
    inspector = Inspector({"say": LOOSE}, maker, reports.append, links=links)
    connection = Connection(
        SAY, "udp", "10.0.1.2:40000", "10.0.2.2:1900", inspector=inspector, maker=maker
    )
    connection.c(host.encode())
    assert [report.rule for report in reports if report.kind == "refused"] == rules
    assert bool(maker.created) is not bool(rules)
