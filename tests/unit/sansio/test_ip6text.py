from __future__ import annotations

import socket

from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.sansio.ip6text import LONGEST, of_length

addresses = st.lists(
    st.sampled_from([b"\0\0", b"\0\1", b"\0\x12", b"\1\x23", b"\x12\x34"]), min_size=8, max_size=8
).map(b"".join)


@given(addresses, st.integers(0, 50))
def test_the_form_is_of_that_address_and_length(addr: bytes, size: int) -> None:
    text = of_length(addr, size)
    if text is not None:
        assert len(text) == size
        assert socket.inet_pton(socket.AF_INET6, text.decode()) == addr


@given(addresses)
@example(b"\x12\x34" + bytes(12) + b"\x12\x34")
def test_every_length_from_the_canonical_form_on(addr: bytes) -> None:
    # RFC 5952 does not shorten a single group of zeros, nor do we: both lengths agree
    canonical = socket.inet_ntop(socket.AF_INET6, addr)
    if "." in canonical:
        return
    shortest = len(canonical)
    missing = [n for n in range(shortest, LONGEST + 1) if of_length(addr, n) is None]
    # zeros before its groups' digits make the canonical form longer one by one; the next form writes a group of the
    # run of zeros, or, of a run of two, both: each a digit and, but at the address's end, a colon
    written = [word for word in canonical.split(":") if word]
    room = sum(4 - len(word) for word in written)
    run = 8 - len(written)
    step = (3 if run == 2 else 2) - ("::" in (canonical[:2], canonical[-2:]))
    assert missing == (list(range(shortest + room + 1, shortest + step)) if run else [])


def test_examples() -> None:
    addr = socket.inet_pton(socket.AF_INET6, "fd01::2")
    assert of_length(addr, 7) == b"fd01::2"
    assert of_length(addr, 9) == b"fd01::002"
    assert of_length(addr, 6) is None
    assert of_length(addr, 39) == b"fd01:0000:0000:0000:0000:0000:0000:0002"
    assert of_length(addr, 40) is None
    assert of_length(bytes(16), 2) == b"::"
