"""SSDP beyond the search: answers and announcements. Searches are in test_discovery_rows.py."""

from __future__ import annotations

from typing import Any

import gena_messages as m
import pytest
from connection import Connection, FakeMaker
from fwhelpers_plugins.discovery import fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st
from validator_fuzz import damaged

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Flow, ParseError, Refuse
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel.expect import netmask
from fwhelpers.kernel.nfqueue import LOCAL_IN, LOCAL_OUT
from fwhelpers.testing.playbook import new_parser, settings_of

(SSDP,) = (h for h in fwhelpers_helpers() if h.name == "ssdp")
ASKER, DEVICE = "10.0.1.2:40000", "10.0.1.7:1900"
GROUP = "239.255.255.250:1900"
DATA = [m.answer(), m.notify(), m.notify(kind=b"ssdp:byebye"), m.SEARCH]


def end(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint.parse(host.strip("[]"), int(port))


def answer_flow(device: str = DEVICE, asker: str = ASKER) -> Flow:
    return Flow("udp", end(device), end(asker))


ANNOUNCEMENT = Flow("udp", end("10.0.1.7:35000"), end(GROUP), announcement=True)


def events_of(flow: Flow, data: bytes, **settings: Any) -> list[Event]:
    return list(new_parser(SSDP, flow, settings).feed(data, False))


@given(st.sampled_from(DATA).flatmap(damaged), st.sampled_from([answer_flow(), ANNOUNCEMENT]))
def test_fuzz(data: bytes, flow: Flow) -> None:
    for event in events_of(flow, data):
        subject = event.want if isinstance(event, Cancel) else event
        assert isinstance(subject, (Expect, Refuse))


def test_an_answer_opens_the_way_to_the_device() -> None:
    (event,) = events_of(answer_flow(), m.answer())
    assert event == Expect(
        end(ASKER),
        end("10.0.1.7:49152"),
        l4="tcp",
        policy="description",
        permanent=True,
        child=True,
        timeout=1800,
        trigger="LOCATION http://10.0.1.7:49152/description.xml",
    )


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (b"max-age=60", 60),
        (b"max-age = 100", 100),
        (b"no-cache, MAX-AGE=90", 90),
        (b"max-age=86400", 3600),
        (b"max-age=0", 1),
        (b"", 1800),
        (b"max-age=x", 1800),
        (b"max-age=99999999", 1800),
    ],
)
def test_lifetime(age: bytes, seconds: int) -> None:
    (event,) = events_of(answer_flow(), m.answer(age=age))
    assert isinstance(event, Expect)
    assert event.timeout == seconds


def test_an_address_with_a_zone() -> None:
    (event,) = events_of(
        answer_flow("[fe80::7]:1900", "[fe80::2]:40000"), m.answer(b"http://[fe80::7%25eth0]:1400/")
    )
    assert isinstance(event, Expect)
    assert event.server == Endpoint.parse("fe80::7", 1400)


@pytest.mark.parametrize("location", [b"http://device.lan/", b"10.0.1.7", b""])
def test_answers_that_name_no_address(location: bytes) -> None:
    (event,) = events_of(answer_flow(), m.answer(location))
    assert isinstance(event, Refuse)


@pytest.mark.parametrize(
    "data",
    [
        m.head(b"HTTP/1.1 200 OK", ST=b"x", USN=b"y"),
        m.answer(b"https://10.0.1.7/"),
        m.notify(),
        b"junk",
        b"",
    ],
)
def test_answers_that_open_nothing(data: bytes) -> None:
    assert events_of(answer_flow(), data) == []


def test_the_reply_direction_opens_nothing() -> None:
    assert list(new_parser(SSDP, answer_flow()).feed(m.answer(), True)) == []


def test_an_announcement_opens_the_way_to_its_sender() -> None:
    (event,) = events_of(ANNOUNCEMENT, m.notify())
    assert isinstance(event, Expect)
    assert (event.sources, event.l4, event.server) == ("on-link", "tcp", end("10.0.1.7:49152"))


def test_a_farewell_cancels_the_expectation() -> None:
    (event,) = events_of(ANNOUNCEMENT, m.notify(kind=b"ssdp:byebye"))
    assert isinstance(event, Cancel)
    assert event.want


@pytest.mark.parametrize("data", [m.SEARCH, m.answer()])
def test_other_messages_to_the_group_are_no_announcement(data: bytes) -> None:
    assert events_of(ANNOUNCEMENT, data) == []


def test_announcements_can_be_disabled() -> None:
    assert events_of(ANNOUNCEMENT, m.notify(), announcements=False) == []


@pytest.mark.parametrize("follow", [True, False])
def test_answers_are_inspected_only_if_enabled(follow: bool) -> None:
    (event,) = events_of(Flow("udp", end(ASKER), end(GROUP)), m.SEARCH, follow=follow)
    assert isinstance(event, Expect)
    assert event.child is follow


@pytest.mark.parametrize("name", ["follow", "announcements"])
def test_settings_are_true_or_false(name: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        settings_of(SSDP, {name: "yes"})


def test_a_connection_without_a_request() -> None:
    with pytest.raises(ParseError):
        new_parser(SSDP, Flow("tcp", end(ASKER), end(DEVICE))).feed(b"\n" * 10, False).__next__()


# through the engine


class OneLink:
    """A lookup that knows the link of interface 2."""

    def __call__(self, index: int) -> list[Prefix]:
        return [Prefix(Endpoint.parse("10.0.1.0").addr, 24)] if index == 2 else []

    def own(self, addr: bytes) -> bool:
        return False


class World:
    """A host with the helper, and its expectations."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.maker, self.notes = FakeMaker(), list[Report]()
        active = {"ssdp": Active(SSDP, settings_of(SSDP, {}), limits or Limits())}
        self.inspector = Inspector(active, self.maker, self.notes.append, links=OneLink())

    def flow(self, l4: str, client: str, server: str, **extra: int) -> Connection:
        connection = Connection(
            SSDP, l4, client, server, inspector=self.inspector, maker=self.maker
        )
        connection.extra = dict(extra)
        return connection

    def refused(self) -> list[str]:
        return [note.rule for note in self.notes if note.kind == "refused"]


def attached(verdict: Verdict) -> tuple[str, int, str, int]:
    expectation = verdict.expectation
    assert expectation is not None
    expected = expectation.tuple
    destination = str(Endpoint(expected.dst, expected.dport))
    return Endpoint(expected.src).host, expected.l4, destination, expectation.klass


EXPECTED = 8 | 1


def test_from_the_search_to_the_events() -> None:
    """Each step's helper is set with the verdict, as ctnetlink would ignore it."""
    world = World()
    verdict = world.flow("udp", ASKER, GROUP).c(m.SEARCH)
    assert attached(verdict) == ("10.0.1.0", 17, "10.0.1.2:40000", 0)
    assert verdict.expectation
    assert verdict.expectation.helper == "ssdp"
    verdict = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN).c(m.answer())
    assert attached(verdict) == ("10.0.1.2", 6, "10.0.1.7:49152", 1)
    assert verdict.expectation
    assert verdict.expectation.helper == "ssdp"
    assert (
        verdict.timeout == 1801
    )  # the kernel would remove the expectation with the entry of the answer
    http = world.flow("tcp", "10.0.1.2:50000", "10.0.1.7:49152", status=EXPECTED)
    http.c(m.subscribe())
    http.s(m.accepted())
    last = world.maker.created[-1]
    assert (Endpoint(last.tuple.src).host, last.tuple.dport, last.helper, last.klass) == (
        "10.0.1.7",
        49200,
        "",
        2,
    )
    assert world.refused() == []


def test_an_unsolicited_answer_opens_nothing() -> None:
    # not expected, but a rule assigned the helper
    world = World()
    verdict = world.flow("udp", DEVICE, ASKER, hook=LOCAL_IN).c(m.answer())
    assert verdict.expectation is None
    assert world.maker.created == []


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        (b"http://10.0.1.9:49152/", "G5"),
        (b"http://192.0.2.1:80/", "G5"),
        (b"http://127.0.0.1:49152/", "G5"),
        (b"http://10.0.1.7:22/", "G6"),
        (b"http://10.0.1.7:3306/", "G6"),
        (b"http://10.0.1.7:99999/", "G11"),
        (b"http://10.0.1.7:0/", "G6"),
    ],
)
@pytest.mark.parametrize("announced", [False, True])
def test_refused_locations(location: bytes, rule: str, announced: bool) -> None:
    """conntrackd opens any of these, from anywhere, for 300 seconds (port 99999 as 34463)."""
    world = World()
    if announced:
        verdict = world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify(location))
    else:
        flow = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN)
        verdict = flow.c(m.answer(location))
    assert verdict.expectation is None
    assert world.refused() == [rule]


def test_the_configuration_may_allow_another_host() -> None:
    world = World(Limits(addresses=(Prefix(Endpoint.parse("10.0.1.9").addr, 32),)))
    flow = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN)
    verdict = flow.c(m.answer(b"http://10.0.1.9:49152/"))
    assert attached(verdict) == ("10.0.1.2", 6, "10.0.1.9:49152", 1)


def test_an_announcement() -> None:
    world = World()
    verdict = world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify())
    assert attached(verdict) == ("10.0.1.0", 6, "10.0.1.7:49152", 1)
    assert verdict.expectation
    assert verdict.expectation.mask.src == netmask(4, 24)


def test_own_announcements_open_nothing() -> None:
    # a server has rules of its own
    world = World()
    flow = world.flow("udp", "10.0.1.2:35000", GROUP, hook=LOCAL_OUT)
    assert flow.c(m.notify()).expectation is None
    flow.extra = {"hook": LOCAL_IN}  # its own copy
    assert flow.c(m.notify()).expectation is None
    assert "expected" not in [note.kind for note in world.notes]


def test_the_window_counts_from_the_last_search() -> None:
    world = World()
    flow = world.flow("udp", ASKER, GROUP)
    for _ in range(4):
        assert flow.c(m.SEARCH).expectation
        flow.now += 1
    # MX 3: eight seconds after the last search, which was a second ago
    world.inspector.tick(flow.now + 6.5)
    assert world.maker.deleted == []
    world.inspector.tick(flow.now + 7.5)
    assert len(world.maker.deleted) == 1


def test_a_search_by_broadcast() -> None:
    world = World()
    verdict = world.flow("udp", ASKER, "10.0.1.255:1900").c(m.SEARCH)
    assert attached(verdict) == ("10.0.1.0", 17, "10.0.1.2:40000", 0)


def test_a_search_in_the_place_of_an_answer_opens_nothing() -> None:
    world = World()
    flow = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN)
    assert flow.c(m.SEARCH).expectation is None
    assert world.refused() == ["G8"]


def test_an_incoming_search_opens_nothing() -> None:
    world = World()
    assert world.flow("udp", "10.0.1.9:40000", GROUP, hook=LOCAL_IN).c(m.SEARCH).expectation is None


def test_an_equal_expectation_of_an_earlier_announcement_is_replaced() -> None:
    world = World()
    for port in (35000, 35001):
        world.flow("udp", f"10.0.1.7:{port}", GROUP, hook=LOCAL_IN).c(m.notify())
    assert len(world.maker.released) == 2


def test_a_farewell_removes_the_expectation() -> None:
    world = World()
    world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify())
    flow = world.flow("udp", "10.0.1.7:35001", GROUP, hook=LOCAL_IN)
    flow.c(m.notify(kind=b"ssdp:byebye"))
    assert world.maker.released[0] == world.maker.released[-1]
    assert len(world.maker.released) == 2


def test_answers_count_on_the_askers_quota() -> None:
    world = World(Limits(max_per_source=3))
    for host in range(10, 20):
        flow = world.flow("udp", f"10.0.1.{host}:1900", ASKER, status=EXPECTED, hook=LOCAL_IN)
        flow.c(m.answer(b"http://10.0.1.%d:49152/" % host))
    assert world.refused() == ["G9"] * 7
    # other askers are not affected
    other = world.flow("udp", DEVICE, "10.0.1.3:40000", status=EXPECTED, hook=LOCAL_IN)
    assert attached(other.c(m.answer()))
