"""`monitor`: the format of `conntrack -E expect`, and JSON."""

from __future__ import annotations

import json

import pytest

from fwhelpers.cli import monitor
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfnl import Message

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
EXPECTED = Tuple(CLIENT, SERVER, 17, 0, 53227)
ONE = Expectation(Tuple(CLIENT, SERVER, 17, 47077, 111), EXPECTED, mask_for(EXPECTED), 0, PERMANENT)


def message(kind: int = expect.NEW, flags: int = nfnl.CREATE) -> Message:
    (sent,) = nfnl.split(expect.encode_create(ONE))
    return sent._replace(type=nfnl.CTNETLINK_EXP << 8 | kind, flags=flags)


@pytest.mark.parametrize(
    ("kind", "flags", "expected"),
    [
        (expect.NEW, nfnl.CREATE | nfnl.EXCL, "    [NEW] "),
        (expect.NEW, 0, " [UPDATE] "),
        (expect.DELETE, 0, "[DESTROY] "),
    ],
)
def test_text(kind: int, flags: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show([message(kind, flags)], as_json=False)
    # recorded with conntrack 1.4.7, its timeout and helper aside, which a request does not carry
    assert capsys.readouterr().out == (
        f"{expected}0 proto=17 src=10.0.1.2 dst=10.0.2.2 sport=0 dport=53227"
        " mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535"
        " master-src=10.0.1.2 master-dst=10.0.2.2 sport=47077 dport=111 PERMANENT class=0\n"
    )


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show([message(), message(expect.DELETE)], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first.pop("event"), second.pop("event")) == ("new", "destroy")
    assert first == second
    assert first == {
        "helper": "", "timeout": 0, "class": 0, "permanent": True, "zone": 0,
        "master": {"l4": "udp", "src": "10.0.1.2", "sport": 47077, "dst": "10.0.2.2", "dport": 111},
        "expected": {"l4": "udp", "src": "10.0.1.2", "sport": None, "dst": "10.0.2.2", "dport": 53227},
    }  # fmt: skip


def test_a_source_may_be_a_prefix_or_anybody() -> None:
    def source(mask: bytes) -> str | None:
        made = Expectation(ONE.master, ONE.tuple, ONE.mask._replace(src=mask))
        value: str | None = monitor.as_data(made)["expected"]["src"]
        return value

    assert source(b"\xff\xff\xff\0") == "10.0.1.2/24"
    assert source(bytes(4)) is None


@pytest.mark.parametrize("as_json", [False, True])
def test_lost_events_are_told(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show([None, message()], as_json)
    out, err = capsys.readouterr()
    assert "events were lost" in err
    assert len(out.splitlines()) == 1 + as_json


def test_what_can_t_be_read_is_told_and_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    broken = message()._replace(payload=memoryview(b"\0\0"))
    other = message()._replace(type=nfnl.CTNETLINK << 8)
    monitor.show([broken, other, message()], as_json=False)
    out, err = capsys.readouterr()
    assert "can't be read" in err
    assert len(out.splitlines()) == 1
