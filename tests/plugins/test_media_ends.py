"""Calls and sessions of any form through the engine: when they have ended, nothing stays open, with NAT or without."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import rtsp_messages as rtsp
from connection import Connection, FakeMaker
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_messages import SIP, A, B, X, ok, request, response, sdp

from fwhelpers.api import Helper
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation

(RTSP,) = fwhelpers_helpers()
SNAT, DNAT = {"seen_client": "192.0.2.1:50000"}, {"seen_server": "198.51.100.9:5060"}
nats = st.sampled_from([{}, SNAT, DNAT])


@dataclass
class Table(FakeMaker):
    """The kernel's table of expectations: what is open."""

    open: set[Tuple] = field(default_factory=set)
    most: int = 0

    def create(self, expectation: Expectation) -> int:
        self.open.add(expectation.tuple)
        self.most = max(self.most, len(self.open))
        return super().create(expectation)

    def delete(self, expectation: Expectation) -> None:
        self.open.discard(expectation.tuple)

    def release(self, expectation: Expectation) -> None:
        self.open.discard(expectation.tuple)


def connection(helper: Helper, l4: str, nat: dict[str, str], address: str) -> Connection:
    active = Active(helper, {}, Limits(address=address, max_per_source=1000, rate=10000))
    host = f"{B}:{helper.ports[0]}"
    return Connection(helper, l4, f"{A}:40000", host, maker=Table(), active=active, **nat)  # type: ignore[arg-type]


extras = st.sampled_from(["", "|a=rtcp-mux", "|a=rtcp:7001", "|a=rtcp:7001|a=rtcp-mux"])
media = st.builds(
    lambda kind, port, extra: f"{kind} {port} RTP/AVP 0{extra}",
    st.sampled_from(["audio", "video"]), st.sampled_from([0, 4000, 4002, 5001, 7078]), extras,
)  # fmt: skip
bodies = st.builds(
    lambda hold, third, lines: ("0.0.0.0" if hold else X if third else "", lines),
    st.sampled_from([False, False, True]), st.booleans(), st.lists(media, min_size=1, max_size=3),
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One offer and its answer."""

    by_server: bool
    method: str
    delayed: bool  #: the offer is in the response
    early: bool  #: there is a provisional response with a description
    status: int
    texts: list[tuple[str, list[str]]]

    def body(self, index: int, by_server: bool) -> str:
        host, lines = self.texts[index]
        own = B if by_server else A
        return sdp(host if by_server and host else own, *lines)

    def play(self, flow: Connection, cseq: int) -> None:
        offer, answer = self.by_server, not self.by_server
        delayed = self.delayed and self.method == "INVITE"
        flow.say(request(self.method, "" if delayed else self.body(0, offer), cseq), offer)
        if self.early:
            flow.say(response(183, self.method, self.body(1, answer), cseq), answer)
        flow.now += 30
        if self.status > 200:
            flow.say(response(self.status, self.method, cseq=cseq), answer)
            return
        flow.say(ok(self.body(2, answer), self.method, cseq=cseq), answer)
        if self.method == "INVITE":
            flow.say(request("ACK", self.body(0, offer) if delayed else "", cseq), offer)


rounds = st.builds(
    Round, st.booleans(), st.sampled_from(["INVITE", "UPDATE"]), st.booleans(), st.booleans(),
    st.sampled_from([200, 200, 488, 491]), st.lists(bodies, min_size=3, max_size=3),
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(rounds, min_size=1, max_size=4),
    nats,
    st.sampled_from(["udp", "tcp"]),
    st.sampled_from(["peer", "announced", "any-src"]),
    st.booleans(),
)
def test_a_call_leaves_nothing(
    play: list[Round], nat: dict[str, str], l4: str, address: str, by_server: bool
) -> None:
    flow = connection(SIP, l4, nat, address)
    assert isinstance(flow.maker, Table)
    for cseq, exchange in enumerate(play, 1):
        exchange.play(flow, cseq + 500 * exchange.by_server)
    flow.say(request("BYE", cseq=99 + 500 * by_server), by_server)
    assert flow.maker.open == set()


offers = st.sampled_from(
    [
        ("client_port={0}-{1}", "client_port={0}-{1};server_port=6970-6971"),
        ("client_port={0}", "client_port={0};server_port=6970"),
        ("client_port={0}-{2}", "client_port={0}-{1};source=10.0.2.2;server_port=6971-6972"),
        ("client_port={0}-{1},RTP/AVP;client_port={2}-{3}", "client_port={2}-{3};server_port=6970-6971"),
        ("control_port={0};timing_port={1}", "server_port=6000;control_port=6001;timing_port=6002"),
        ('dest_addr=":{0}"/":{1}"', 'dest_addr=":{0}"/":{1}";src_addr="10.0.2.9:6970"/"10.0.2.9:6971"'),
    ]
)  # fmt: skip


@given(st.lists(offers, min_size=1, max_size=3), nats, st.booleans(), st.sampled_from(["all", "each", "lost"]),
       st.booleans())  # fmt: skip
def test_a_session_leaves_nothing(
    streams: list[tuple[str, str]], nat: dict[str, str], played: bool, end: str, announced: bool
) -> None:
    flow = connection(RTSP, "tcp", nat, "announced" if announced else "peer")
    assert isinstance(flow.maker, Table)

    def ask(
        method: str, url: str, answer: tuple[int, str] = (200, ""), transport: str = ""
    ) -> None:
        cseq = flow.seq[0]
        text = rtsp.request(method, cseq, transport, "s" * (method != "SETUP"))
        flow.c(text.replace(rtsp.URL.encode(), url.encode()))
        flow.now += 1
        flow.s(rtsp.response(answer[0], cseq, answer[1], "s"))

    for index, (offer, answer) in enumerate(streams):
        ports = [5000 + 10 * index + place for place in (0, 1, 4, 5)]
        asked, answered = (f"RTP/AVP;{text.format(*ports)}" for text in (offer, answer))
        ask("SETUP", f"rtsp://host/{index}", (200, answered), asked)
    assert flow.maker.most
    if played:
        ask("PLAY", "rtsp://host/")
    if end == "each":
        for index in range(len(streams)):
            ask("TEARDOWN", f"rtsp://host/{index}")
    else:
        ask(
            "TEARDOWN" if end == "all" else "PAUSE",
            "rtsp://host/",
            (454 if end == "lost" else 200, ""),
        )
    assert flow.maker.open == set()


@pytest.mark.parametrize("nat", [{}, SNAT, DNAT])
def test_the_table_sees_what_is_open(nat: dict[str, str]) -> None:
    flow = connection(SIP, "udp", nat, "peer")
    assert isinstance(flow.maker, Table)
    flow.c(request("INVITE", sdp(A, "audio 4000 RTP/AVP 0")))
    assert {tuple_.dport for tuple_ in flow.maker.open} == {4000, 4001}
