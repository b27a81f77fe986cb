"""Keys of expectations on their way from a worker, and notes in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.worker.messages import decode_made, encode_made, read, sentence

PORT = st.integers(0, 65535)
TUPLE = st.integers(0, 1).flatmap(
    lambda six: st.builds(
        Tuple,
        st.binary(min_size=4 + 12 * six, max_size=4 + 12 * six),
        st.binary(min_size=4 + 12 * six, max_size=4 + 12 * six),
        st.sampled_from([6, 17]), PORT, PORT,
    )
)  # fmt: skip


@given(TUPLE, TUPLE, st.integers(0, 65535))
def test_a_key_survives_json(master: Tuple, wanted: Tuple, zone: int) -> None:
    made = Expectation(master, wanted, mask_for(wanted), zone=zone)
    told = json.loads(json.dumps(encode_made(made)))
    assert decode_made(told) == ExpectationId(key_of(made), master)


@pytest.mark.parametrize(
    "given", [[], [1, 2, 3, 4], [0, ["zz", "", 6, 1, 2], *[["", "", 6, 1, 2]] * 2]]
)
def test_anything_else_is_refused(given: list[object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_made(given)


def test_words() -> None:
    note = {
        "kind": "refused", "helper": "fw-ftp", "client": "c", "server": "s", "what": "PORT",
        "endpoint": "e:22", "reason": "below 1024", "rule": "G6", "expected": "",
    }  # fmt: skip
    assert sentence(note) == "fw-ftp: c → s: refused PORT e:22: below 1024 (G6)"
    assert sentence({**note, "kind": "expected", "expected": "6 port 9"}) == (
        "fw-ftp: c → s: expecting PORT 6 port 9"
    )
    assert sentence({**note, "kind": "failed"}) == "fw-ftp: c → s: failed: below 1024"


NOTE = {
    "kind": "refused", "helper": "fw-ftp", "client": "c", "server": "s", "l4": "tcp", "reason": "below 1024",
    "rule": "G6", "what": "PORT", "endpoint": "e:22", "expected": "", "interface": 3, "timeout": 60, "made": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {"note": NOTE}, {"ready": 7}, {"counts": {"fw-ftp": {"refused": 3}}}, {"untold": 7},
        {"problem": "→ é"}, {"lacking": ["Landlock"]},
    ],
)  # fmt: skip
def test_what_a_worker_says_is_read(message: dict[str, object]) -> None:
    assert read(json.dumps(message).encode()) == message


@pytest.mark.parametrize(
    "message",
    [
        {"note": {**NOTE, "kind": None}}, {"note": {**NOTE, "made": [0, "x"]}}, {"note": {}},
        {"note": {**NOTE, "interface": "eth0"}}, {"counts": {"x": {"y": 1.5}}}, {"counts": []},
        {"untold": 1 << 64}, {"untold": float("inf")}, {"exec": "rm"}, {"lacking": 7}, [], 7, None,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not(message: object) -> None:
    assert read(json.dumps(message).encode()) is None


def test_no_line_of_the_log_can_be_forged() -> None:
    assert read(json.dumps({"problem": "a\nfwhelpers: b\x1b[2J"}).encode()) == {
        "problem": "a\\nfwhelpers: b\\x1b[2J"
    }
    assert read(json.dumps({"problem": "x" * 10**5}).encode()) == {"problem": "x" * 1000}


@given(st.one_of(st.binary(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["note", "counts", "ready", "problem", "lacking", "made", "kind"]), inner
    ),
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_whatever_is_said(data: bytes) -> None:
    read(data)
    read(b"[" * 100_000)
