from __future__ import annotations

from packets import tcp4, udp4

from fwhelpers.engine.headers import locate
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_EXPECTED, IPS_HELPER, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.testing.fake_conntrack import Connection, Conntrack, backwards, confirm

C, S = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(C, S, 6, 40000, 21)
ACK, SYN, FIN, RST = 0x10, 2, 1, 4


def table() -> Conntrack:
    return Conntrack(lambda tuple_, midway: "ftp" if tuple_.dport == 21 else "")


def see(
    conntrack: Conntrack,
    tup: Tuple = MASTER,
    flags: int = ACK,
    seq: int = 1,
    now: float = 0.0,
    frame: int = 1,
) -> tuple[Connection, bool]:
    ends = {"src": ".".join(map(str, tup.src)), "dst": ".".join(map(str, tup.dst))}
    ports = (tup.sport, tup.dport)
    packet = (
        tcp4(b"", seq, flags, ports=ports, **ends)
        if tup.l4 == 6
        else udp4(b"", ports=ports, **ends)
    )
    segment = locate(packet)
    assert segment is not None
    return conntrack.track(packet, segment, now, frame)


def expectation(port: int = 5000, sport: int = 0, flags: int = 0, klass: int = 0) -> Expectation:
    tup = Tuple(C, S, 6, sport, port)
    return Expectation(MASTER, tup, mask_for(tup, int(sport > 0)), klass, flags, timeout=60)


def test_both_directions_are_one_connection() -> None:
    t = table()
    first, reply = see(t, flags=SYN)
    assert (first.orig, first.helper, first.midway, reply) == (MASTER, "ftp", False, False)
    again, reply = see(t, backwards(MASTER), SYN | ACK)
    assert again is first
    assert reply
    assert first.status & IPS_HELPER
    assert not first.status & 8
    confirm(first)
    assert first.status & 8


def test_a_capture_that_begins_midway_is_turned_round() -> None:
    for flags in (SYN | ACK, ACK):
        connection, reply = see(table(), backwards(MASTER), flags)
        assert (connection.orig, connection.midway, reply) == (MASTER, True, True)
    other = MASTER._replace(dport=22)
    assert see(table(), other)[0].orig == other


def test_a_new_connection_with_the_old_ports() -> None:
    t = table()
    first, _ = see(t, flags=SYN, seq=5)
    assert see(t, flags=SYN, seq=5)[0] is first  # sent again
    second, _ = see(t, flags=SYN, seq=9)
    assert second is not first
    assert second.id != first.id
    see(t, flags=RST)
    assert see(t, flags=SYN, seq=9)[0] is not second


def test_connections_end() -> None:
    t = table()
    udp = Tuple(C, S, 17, 900, 111)
    first, _ = see(t, udp, now=0)
    assert see(t, udp, now=29)[0] is first
    assert see(t, udp, now=60)[0] is not first
    tcp, _ = see(t, flags=SYN)
    see(t, flags=FIN)
    assert tcp.closed == 1
    see(t, backwards(MASTER), FIN)
    assert tcp.closed == 3
    assert see(t, now=200)[0] is not tcp


def test_the_labels_of_the_steering_rules() -> None:
    connection, _ = see(table())
    queued = [
        (connection.steer(reply), connection.labels >> labels.ORIG_SEEN)
        for reply in (False, False, True, True)
    ]
    assert queued == [(True, 0b1), (True, 0b11), (True, 0b111), (True, 0b1111)]
    connection.labels |= 1 << labels.DONE
    assert not connection.steer(False)


def test_an_expected_connection() -> None:
    t = table()
    expected = t.expect(expectation(), 1, 0)
    data, _ = see(t, Tuple(C, S, 6, 777, 5000), SYN, frame=9)
    assert data.status & IPS_EXPECTED
    assert (data.master, expected.data, expected.gone) == (MASTER, 9, True)
    again, _ = see(t, Tuple(C, S, 6, 778, 5000), SYN)
    assert not again.status & IPS_EXPECTED


def test_a_permanent_expectation_serves_several() -> None:
    t = table()
    expected = t.expect(expectation(flags=PERMANENT), 1, 0)
    for sport, frame in ((777, 9), (778, 10)):
        assert see(t, Tuple(C, S, 6, sport, 5000), SYN, frame=frame)[0].master == MASTER
    assert expected.data == 9


def test_what_is_not_expected() -> None:
    t = table()
    t.expect(expectation(sport=20), 1, 0)
    for tup in (
        Tuple(C, S, 6, 21, 5000),
        Tuple(C, S, 6, 20, 5001),
        Tuple(C, S, 17, 20, 5000),
        Tuple(bytes(4), S, 6, 20, 5000),
    ):
        assert see(t, tup, SYN)[0].master is None
    assert see(t, Tuple(C, S, 6, 20, 5000), SYN, now=61)[0].master is None


def test_the_oldest_gives_way() -> None:
    t = table()
    old, new = (t.expect(expectation(port), 1, now) for port, now in ((5000, 0), (5001, 1)))
    other = t.expect(expectation(5002, klass=1), 1, 2)
    assert (old.gone, new.gone, other.gone) == (True, False, False)


def test_deleting() -> None:
    t = table()
    expected = t.expect(expectation(), 1, 0)
    t.forget(expectation(5001))
    assert not expected.gone
    t.forget(expectation())
    assert expected.gone


def test_data_of_a_capture_that_begins_midway() -> None:
    t = table()
    expected = t.expect(expectation(), 1, 0)
    assert see(t, Tuple(S, C, 6, 5000, 777), ACK)[1]
    assert expected.data == 1
