"""Keys of expectations on their way from a worker, and notes in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.daemon.attribution import Made
from fwhelpers.daemon.notes import decode_made, encode_made, sentence
from fwhelpers.engine.tracker import key_of
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for

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
    assert decode_made(told) == Made(key_of(made), master)


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
