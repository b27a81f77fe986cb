from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import ip4, ip6, udp4

from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.testing.fake_conntrack import Conntrack, tuple_of
from fwhelpers.testing.portless import locate_portless

ESP4 = ip4(50, bytes(40), "10.0.1.2", "10.0.2.2")
ESP6 = ip6(50, bytes(40), "fd01::2", "fd02::2")


@pytest.mark.parametrize(("packet", "size"), [(ESP4, 20), (ESP6, 40)])
def test_esp_is_located_and_has_no_ports(packet: bytes, size: int) -> None:
    segment = locate_portless(packet)
    assert segment is not None
    assert (segment.l4, segment.transport, segment.end) == (50, size, len(packet))
    assert tuple_of(packet, segment)[2:] == (50, 0, 0)


@given(st.one_of(st.sampled_from([ESP4, ESP6]), st.binary(max_size=60)), st.integers(1, 60))
def test_what_is_cut_off_is_no_packet(packet: bytes, size: int) -> None:
    segment = locate_portless(packet[:size]) if packet else None
    assert segment is None or segment.transport <= size


def test_others_are_not_located() -> None:
    assert locate_portless(udp4(b"x", src="10.0.1.2", dst="10.0.2.2", ports=(500, 500))) is None


def test_both_directions_are_one_connection_for_ten_minutes() -> None:
    table = Conntrack(lambda tuple_, midway: "")
    back = ip4(50, bytes(40), "10.0.2.2", "10.0.1.2")
    there, here = locate_portless(ESP4), locate_portless(back)
    assert there is not None
    assert here is not None
    first, reply = table.track(ESP4, there, 0.0, 1)
    assert (first.orig, reply) == (Tuple(ESP4[12:16], ESP4[16:20], 50, 0, 0), False)
    assert table.track(back, here, 599.0, 2) == (first, True)
    assert table.track(back, here, 1300.0, 3)[0] is not first
