"""SSDP beyond the search: what answers and announcements open. Searches themselves: test_discovery_rows.py."""

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


HEARD = Flow("udp", end("10.0.1.7:35000"), end(GROUP), announcement=True)


def told(flow: Flow, data: bytes, **settings: Any) -> list[Event]:
    return list(new_parser(SSDP, flow, settings).feed(data, False))


@given(st.sampled_from(DATA).flatmap(damaged), st.sampled_from([answer_flow(), HEARD]))
def test_fuzz(data: bytes, flow: Flow) -> None:
    for event in told(flow, data):
        want = event.want if isinstance(event, Cancel) else event
        assert isinstance(want, (Expect, Refuse))


def test_an_answer_opens_the_way_to_the_device() -> None:
    (want,) = told(answer_flow(), m.answer())
    assert want == Expect(
        end(ASKER), end("10.0.1.7:49152"), l4="tcp", policy="description", permanent=True, child=True, timeout=1800,
        what="LOCATION http://10.0.1.7:49152/description.xml",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (b"max-age=60", 60), (b"max-age = 100", 100), (b"no-cache, MAX-AGE=90", 90), (b"max-age=86400", 3600),
        (b"max-age=0", 1), (b"", 1800), (b"max-age=x", 1800), (b"max-age=99999999", 1800),
    ],
)  # fmt: skip
def test_for_how_long(age: bytes, seconds: int) -> None:
    (want,) = told(answer_flow(), m.answer(age=age))
    assert isinstance(want, Expect)
    assert want.timeout == seconds


def test_an_address_with_a_zone() -> None:
    (want,) = told(
        answer_flow("[fe80::7]:1900", "[fe80::2]:40000"), m.answer(b"http://[fe80::7%25eth0]:1400/")
    )
    assert isinstance(want, Expect)
    assert want.server == Endpoint.parse("fe80::7", 1400)


@pytest.mark.parametrize("location", [b"http://device.lan/", b"10.0.1.7", b""])
def test_answers_that_name_no_address(location: bytes) -> None:
    (event,) = told(answer_flow(), m.answer(location))
    assert isinstance(event, Refuse)


@pytest.mark.parametrize(
    "data",
    [
        m.head(b"HTTP/1.1 200 OK", ST=b"x", USN=b"y"), m.answer(b"https://10.0.1.7/"), m.SEARCH, m.notify(),
        b"junk", b"",
    ],
)  # fmt: skip
def test_answers_that_open_nothing(data: bytes) -> None:
    assert told(answer_flow(), data) == []


def test_what_goes_back_to_the_device_opens_nothing() -> None:
    assert list(new_parser(SSDP, answer_flow()).feed(m.answer(), True)) == []


def test_an_announcement_opens_the_way_to_whoever_sent_it() -> None:
    (want,) = told(HEARD, m.notify())
    assert isinstance(want, Expect)
    assert (want.sources, want.l4, want.server) == ("on-link", "tcp", end("10.0.1.7:49152"))


def test_a_device_that_goes() -> None:
    (event,) = told(HEARD, m.notify(kind=b"ssdp:byebye"))
    assert isinstance(event, Cancel)
    assert event.want


@pytest.mark.parametrize("data", [m.SEARCH, m.answer()])
def test_what_others_send_to_the_group_is_no_announcement(data: bytes) -> None:
    assert told(HEARD, data) == []


def test_announcements_can_be_left_out() -> None:
    assert told(HEARD, m.notify(), announcements=False) == []


@pytest.mark.parametrize("follow", [True, False])
def test_answers_are_looked_at_only_if_wanted(follow: bool) -> None:
    (want,) = told(Flow("udp", end(ASKER), end(GROUP)), m.SEARCH, follow=follow)
    assert isinstance(want, Expect)
    assert want.child is follow


@pytest.mark.parametrize("name", ["follow", "announcements"])
def test_settings_are_true_or_false(name: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        settings_of(SSDP, {name: "yes"})


def test_searches_damaged_on_their_way() -> None:
    with pytest.raises(ParseError):
        new_parser(SSDP, Flow("tcp", end(ASKER), end(DEVICE))).feed(b"\n" * 10, False).__next__()


# through the engine


class Known:
    """The link of interface 2."""

    def __call__(self, index: int) -> list[Prefix]:
        return [Prefix(Endpoint.parse("10.0.1.0").addr, 24)] if index == 2 else []

    def own(self, addr: bytes) -> bool:
        return False


class World:
    """A host with the helper, and all that it made."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.maker, self.notes = FakeMaker(), list[Report]()
        active = {"ssdp": Active(SSDP, settings_of(SSDP, {}), limits or Limits())}
        self.inspector = Inspector(active, self.maker, self.notes.append, links=Known())

    def flow(self, l4: str, client: str, server: str, **extra: int) -> Connection:
        connection = Connection(
            SSDP, l4, client, server, inspector=self.inspector, maker=self.maker
        )
        connection.extra = dict(extra)
        return connection

    def refused(self) -> list[str]:
        return [note.rule for note in self.notes if note.kind == "refused"]


def attached(verdict: Verdict) -> tuple[str, int, str, int]:
    made = verdict.expectation
    assert made is not None
    source = Endpoint(made.tuple.src).host
    return source, made.tuple.l4, Endpoint(made.tuple.dst, made.tuple.dport).__str__(), made.klass


EXPECTED = 8 | 1


def test_the_whole_way() -> None:
    """Each step's helper goes with the verdict: ctnetlink would pass it over."""
    world = World()
    verdict = world.flow("udp", ASKER, GROUP).c(m.SEARCH)
    assert attached(verdict) == ("10.0.1.0", 17, "10.0.1.2:40000", 0)
    assert verdict.expectation
    assert verdict.expectation.helper == "ssdp"
    verdict = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN).c(m.answer())
    assert attached(verdict) == ("10.0.1.2", 6, "10.0.1.7:49152", 1)
    assert verdict.expectation
    assert verdict.expectation.helper == "ssdp"
    assert verdict.timeout == 1801  # of the answer, lest its end takes the way to the device along
    http = world.flow("tcp", "10.0.1.2:50000", "10.0.1.7:49152", status=EXPECTED)
    http.c(m.subscribe())
    http.s(m.accepted())
    made = world.maker.made[-1]
    assert (Endpoint(made.tuple.src).host, made.tuple.dport, made.helper, made.klass) == (
        "10.0.1.7", 49200, "", 2,
    )  # fmt: skip
    assert world.refused() == []


def test_one_that_nobody_asked_for_opens_nothing() -> None:
    # not expected, but given the helper by somebody's rule
    world = World()
    verdict = world.flow("udp", DEVICE, ASKER, hook=LOCAL_IN).c(m.answer())
    assert verdict.expectation is None
    assert world.maker.made == []


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        (b"http://10.0.1.9:49152/", "G5"), (b"http://192.0.2.1:80/", "G5"), (b"http://127.0.0.1:49152/", "G5"),
        (b"http://10.0.1.7:22/", "G6"), (b"http://10.0.1.7:3306/", "G6"), (b"http://10.0.1.7:99999/", "G11"),
        (b"http://10.0.1.7:0/", "G6"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("heard", [False, True])
def test_places_that_stay_closed(location: bytes, rule: str, heard: bool) -> None:
    """conntrackd opens any of these, from anywhere, for 300 seconds (port 99999 as 34463)."""
    world = World()
    if heard:
        verdict = world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify(location))
    else:
        flow = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN)
        verdict = flow.c(m.answer(location))
    assert verdict.expectation is None
    assert world.refused() == [rule]


def test_the_configuration_may_allow_another_place() -> None:
    world = World(Limits(addresses=(Prefix(Endpoint.parse("10.0.1.9").addr, 32),)))
    flow = world.flow("udp", DEVICE, ASKER, status=EXPECTED, hook=LOCAL_IN)
    verdict = flow.c(m.answer(b"http://10.0.1.9:49152/"))
    assert attached(verdict) == ("10.0.1.2", 6, "10.0.1.9:49152", 1)


def test_what_is_heard() -> None:
    world = World()
    verdict = world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify())
    assert attached(verdict) == ("10.0.1.0", 6, "10.0.1.7:49152", 1)
    assert verdict.expectation
    assert verdict.expectation.mask.src == netmask(4, 24)


def test_what_this_host_announces_opens_nothing() -> None:
    # a server has rules of its own
    world = World()
    flow = world.flow("udp", "10.0.1.2:35000", GROUP, hook=LOCAL_OUT)
    assert flow.c(m.notify()).expectation is None
    flow.extra = {"hook": LOCAL_IN}  # its own copy
    assert flow.c(m.notify()).expectation is None
    assert "expected" not in [note.kind for note in world.notes]


def test_a_search_that_is_heard_opens_nothing() -> None:
    world = World()
    assert world.flow("udp", "10.0.1.9:40000", GROUP, hook=LOCAL_IN).c(m.SEARCH).expectation is None


def test_an_equal_one_of_an_earlier_announcement_is_taken_over() -> None:
    world = World()
    for port in (35000, 35001):
        world.flow("udp", f"10.0.1.7:{port}", GROUP, hook=LOCAL_IN).c(m.notify())
    assert len(world.maker.released) == 2


def test_a_device_that_goes_takes_it_along() -> None:
    world = World()
    world.flow("udp", "10.0.1.7:35000", GROUP, hook=LOCAL_IN).c(m.notify())
    flow = world.flow("udp", "10.0.1.7:35001", GROUP, hook=LOCAL_IN)
    flow.c(m.notify(kind=b"ssdp:byebye"))
    assert world.maker.released[0] == world.maker.released[-1]
    assert len(world.maker.released) == 2


def test_answers_are_bounded_by_who_asked_not_by_who_answers() -> None:
    world = World(Limits(max_per_source=3))
    for host in range(10, 20):
        flow = world.flow("udp", f"10.0.1.{host}:1900", ASKER, status=EXPECTED, hook=LOCAL_IN)
        flow.c(m.answer(b"http://10.0.1.%d:49152/" % host))
    assert world.refused() == ["G9"] * 7
    # others are not touched
    other = world.flow("udp", DEVICE, "10.0.1.3:40000", status=EXPECTED, hook=LOCAL_IN)
    assert attached(other.c(m.answer()))
