"""`monitor`: the format of `conntrack -E expect`, and JSON."""

from __future__ import annotations

import json

import pytest

from fwhelpers.cli import monitor
from fwhelpers.dbus.fields import FIELDS
from fwhelpers.events.serialize import Serializer
from fwhelpers.events.tracker import TrackedExpectation
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.raw_events import RawExpectation

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
EXPECTED = Tuple(CLIENT, SERVER, 17, 0, 53227)
EXPECTATION = Expectation(
    Tuple(CLIENT, SERVER, 17, 47077, 111), EXPECTED, mask_for(EXPECTED), 0, PERMANENT
)


def message(kind: int = expect.NEW, flags: int = nfnl.CREATE) -> Message:
    (sent,) = nfnl.split(expect.encode_create(EXPECTATION))
    return sent._replace(type=nfnl.CTNETLINK_EXP << 8 | kind, flags=flags)


@pytest.mark.parametrize(
    ("kind", "flags", "expected"),
    [
        (expect.NEW, nfnl.CREATE | nfnl.EXCL, "    [NEW] "),
        (expect.NEW, 0, " [UPDATE] "),
        (expect.DELETE, 0, "[DESTROY] "),
    ],
)
def test_text_has_the_format_of_conntrack(
    kind: int, flags: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor.print_events([message(kind, flags)], as_json=False)
    # recorded with conntrack 1.4.7, its timeout and helper aside, which a request does not carry
    assert capsys.readouterr().out == (
        f"{expected}0 proto=17 src=10.0.1.2 dst=10.0.2.2 sport=0 dport=53227"
        " mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535"
        " master-src=10.0.1.2 master-dst=10.0.2.2 sport=47077 dport=111 PERMANENT class=0\n"
    )


def test_json_output(capsys: pytest.CaptureFixture[str]) -> None:
    monitor.print_events([message(), message(expect.DELETE)], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first.pop("event"), second.pop("event")) == ("new", "destroy")
    assert first == second
    assert first == {
        "helper": "", "timeout": 0, "class": 0, "flags": ["permanent"], "zone": 0,
        "transport": "udp", "source": "10.0.1.2", "source_mask": "255.255.255.255",
        "source_port": 0, "source_port_mask": 0,
        "destination": "10.0.2.2", "destination_port": 53227,
        "master": {"transport": "udp", "source": "10.0.1.2", "source_port": 47077,
                   "destination": "10.0.2.2", "destination_port": 111},
    }  # fmt: skip


def test_json_has_the_keys_of_the_bus() -> None:
    values = monitor.to_json(EXPECTATION)
    assert values.keys() | values["master"].keys() <= FIELDS.keys()
    tracked = TrackedExpectation(1, RawExpectation.of(EXPECTATION), 0.0, 0.0)
    own = Serializer(str).expectation(tracked, 0.0)
    for key in values.keys() - {"master", "helper"}:
        assert values[key] == own[key], key
    assert values["master"].items() == own["master"].items()


@pytest.mark.parametrize("as_json", [False, True])
def test_lost_events_are_reported(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.print_events([None, message()], as_json)
    out, err = capsys.readouterr()
    assert "events were lost" in err
    assert len(out.splitlines()) == 1 + as_json


def test_a_malformed_event_is_reported_and_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    broken = message()._replace(payload=memoryview(b"\0\0"))
    other = message()._replace(type=nfnl.CTNETLINK << 8)
    monitor.print_events([broken, other, message()], as_json=False)
    out, err = capsys.readouterr()
    assert "malformed event" in err
    assert len(out.splitlines()) == 1
