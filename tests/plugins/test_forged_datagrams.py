"""UDP: the sender of a datagram can be forged, so that one of them must not end what a session has opened."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from amanda_messages import rep, req
from connection import Connection
from fwhelpers_plugins.amanda import fwhelpers_helpers as amanda_helpers
from fwhelpers_plugins.tftp import fwhelpers_helpers as tftp_helpers
from gvsp_messages import GVSP, SCP0, heartbeat, read, write, written
from h323_messages import H323, rcf, rrq
from ipsec_messages import IPSEC
from ipsec_messages import answer as ike_answer
from ipsec_messages import request as ike_request
from mgcp_messages import CALL, MGCP
from rpc_messages import RPC, UDP, getport, port, reply
from sip_messages import SIP, invite
from sip_messages import audio as sip_audio
from talk_messages import ANNOUNCE, LISTENS, TALK
from talk_messages import answer as talk_answer
from talk_messages import request as talk_request
from xdmcp_messages import XDMCP, accept
from xdmcp_messages import request as xdmcp_request

from fwhelpers.api import Helper, ParseError
from fwhelpers.plugin.manager import load
from fwhelpers.testing.playbook import CLIENT, SERVER, Message, client, flow_of, new_parser, server

(AMANDA,), (TFTP,) = amanda_helpers(), tftp_helpers()
CLIENT_HOST, SERVER_HOST = CLIENT[4].host, SERVER[4].host
#: helpers and a conversation that opens something
SESSIONS: Sequence[tuple[Helper, list[Message]]] = [
    (AMANDA, [client(req("sendbackup")), server(rep())]),
    (GVSP, [client(heartbeat()), server(read()), client(write((SCP0, 45015))), server(written())]),
    (H323, [client(rrq([CLIENT[4].at(1720)])), server(rcf())]),
    (IPSEC, [client(ike_request()), server(ike_answer())]),
    (MGCP, list(CALL)),
    (RPC, [client(getport(1, prot=UDP)), server(reply(1, port(20048)))]),
    (SIP, [client(invite(sip_audio(CLIENT_HOST, 6000)))]),
    (TALK, [client(talk_request()), server(talk_answer()), client(talk_request(ANNOUNCE, LISTENS))]),
    (TFTP, [client(b"\0\1file\0octet\0")]),
    (XDMCP, [client(xdmcp_request(CLIENT[4].addr)), server(accept())]),
]  # fmt: skip
FORGED = [
    b"",
    b"x",
    bytes(8),
    bytes(200),
    b"\xff" * 24,
    b"\0\1\0\7\0\1x",
    b"GET / HTTP/1.1\r\n\r\n",
]


def test_these_are_all_helpers() -> None:
    names = {
        helper.name
        for helper in load().helpers.values()
        if "udp" in helper.l4s and helper.parser is not None and not helper.outgoing
    }
    assert {helper.name for helper, _ in SESSIONS} == names


@pytest.mark.parametrize(
    ("helper", "script"), SESSIONS, ids=lambda value: getattr(value, "name", "")
)
@pytest.mark.parametrize("by_server", [False, True])
def test_a_forged_datagram_withdraws_nothing(
    helper: Helper, script: list[Message], by_server: bool
) -> None:
    service = helper.ports[0]
    if helper is H323:
        service = 1719
    c = Connection(helper, "udp", f"{CLIENT_HOST}:40000", f"{SERVER_HOST}:{service}")
    attached = [c.say(message.data, message.reply).expectation for message in script]
    assert c.expected or any(attached), "the conversation opens something"
    for data in FORGED:
        c.say(data, by_server)
    assert c.maker.deleted == []
    assert [note.rule for note in c.notes if note.kind == "poisoned"] == []


@pytest.mark.parametrize(
    ("helper", "script"), SESSIONS, ids=lambda value: getattr(value, "name", "")
)
def test_nor_does_it_after_a_restart(helper: Helper, script: list[Message]) -> None:
    parser = new_parser(helper, flow_of(helper, "udp"))
    for message in script:
        list(parser.feed(message.data, message.reply))
    successor = new_parser(helper, flow_of(helper, "udp"))
    successor.restore(parser.save())
    for data in FORGED:
        for by_server in (False, True):
            try:
                list(successor.feed(data, by_server))
            except ParseError as error:
                pytest.fail(f"{data!r}: {error}")
