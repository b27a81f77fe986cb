"""Conversations that open something, for each helper and transport, as seeds of the fuzzers."""

from __future__ import annotations

from collections.abc import Sequence

import amanda_messages as amanda
import dcerpc_messages as dcerpc
import enip_messages as enip
import gena_messages as gena
import gvsp_messages as gvsp
import h323_messages as h323
import ipsec_messages as ipsec
import irc_messages as irc
import mgcp_messages as mgcp
import ndmp_messages as ndmp
import nfs4_messages as nfs4
import rcmd_messages as rcmd
import rpc_messages as rpc
import rtsp_messages as rtsp
import sane_messages as sane
import sccp_messages as sccp
import sip_messages as sip
import talk_messages as talk
import tns_messages as tns
import twamp_messages as twamp
import vxi11_messages as vxi11
import xdmcp_messages as xdmcp

from fwhelpers.testing.playbook import CLIENT, SERVER, Message, client, server

FTP = [
    server(b"220-hello\r\n227 =10,0,2,2,4,1\r\n220 go\r\n"), client(b"USER x\r\n"), server(b"331 yes\r\n"),
    client(b"PASV\r\n"), server(b"227 Entering Passive Mode (10,0,2,2,4,1)\r\n"), client(b"EPSV\r\n"),
    server(b"229 Extended (|||4000|)\r\n"), client(b"PORT 10,0,1,2,19,136\r\n"), server(b"200 ok\r\n"),
    client(b"EPRT |1|10.0.1.2|5001|\r\n"), server(b"200 ok\r\n"), client(b"RETR x\r\n"), server(b"150 x\r\n226 y\r\n"),
]  # fmt: skip
CALL, ANSWER = rpc.getport(7), rpc.reply(7, rpc.port(2049))
SANE = [client(sane.INIT), server(sane.init_reply())]
for question, answer in [*sane.SESSION[1:], (sane.START, sane.started())]:
    SANE += [client(question), server(answer)]

DCERPC = [
    client(dcerpc.bind([(0, dcerpc.EPM, dcerpc.NDR32), (1, dcerpc.EPM, dcerpc.NDR64)])),
    server(dcerpc.bind_ack([(0, dcerpc.NDR32), (0, dcerpc.NDR64)])),
    client(dcerpc.request(3)), server(dcerpc.response(dcerpc.mapped(dcerpc.tower(), dcerpc.tower(49669)), parts=2)),
    client(dcerpc.request(2, dcerpc.inquiry(1), context=1)),
    server(dcerpc.response(dcerpc.listed(dcerpc.tower(), wide=True))),
    client(dcerpc.bind(
        [(2, dcerpc.SCM_ACTIVATOR, dcerpc.NDR32), (3, dcerpc.OBJECT_EXPORTER, dcerpc.NDR32)], 2, kind=dcerpc.ALTER
    )),
    server(dcerpc.bind_ack([(0, dcerpc.NDR32)] * 2, 2, kind=dcerpc.ALTER_RESPONSE)),
    client(dcerpc.request(4, context=2)), server(dcerpc.response(dcerpc.created("DC1[49724]", "10.0.2.2[49724]"))),
    client(dcerpc.request(4, context=3)), server(dcerpc.response(dcerpc.resolved("10.0.2.2[49725]"))),
    client(dcerpc.request(1, context=3)), server(dcerpc.response(bytes(4), level=5)),
]  # fmt: skip
_RTSP_PORTS = "RTP/AVP;unicast;client_port=5000-5001"
RTSP = [
    client(rtsp.request("OPTIONS"), rtsp.request("SETUP", 2, f"{_RTSP_PORTS};destination=10.0.1.2")),
    server(rtsp.response(), rtsp.response(200, 2, f"{_RTSP_PORTS};source=10.0.2.2;server_port=6970-6971", "1")),
    client(rtsp.request("SETUP", 3, 'RTP/AVP/UDP;unicast;dest_addr=":5002"/":5003",RTP/AVP/TCP;interleaved=0-1')),
    server(rtsp.response(461, 3), rtsp.frame(9)), client(rtsp.request("PLAY", 4, session="1"), rtsp.frame(4)),
    server(rtsp.response(200, 4, session="1", body="v=0")), client(rtsp.request("TEARDOWN", 5, session="1")),
    server(rtsp.response(200, 5)),
]  # fmt: skip
SIP = [
    client(sip.invite(sip.OFFER)), server(sip.response(183, "INVITE", sip.ANSWER)), server(sip.ok()),
    client(sip.request("ACK")), client(sip.request("UPDATE", sip.audio(sip.A, 4444, "a=rtcp-mux"), 2)),
    server(sip.ok(sip.audio(sip.B, 6000, "a=rtcp:6006"), "UPDATE", cseq=2)), server(sip.request("BYE")),
    client(sip.request("REGISTER", contact=f"<sip:a@{sip.A}:5066>", via=f"SIP/2.0/UDP {sip.A}")),
    server(sip.ok(method="REGISTER", contact=f"<sip:a@{sip.A}:5066>;expires=60")),
]  # fmt: skip
ENDS = [CLIENT[4].at(5000), CLIENT[4].at(5001), SERVER[4].at(6000), SERVER[4].at(6001)]
H323_CALL = [
    client(h323.setup(
        sourceCallSignalAddress=h323.h225(CLIENT[4]), fastStart=h323.fast(h323.reverse_channel(2, *ENDS[:2])),
    )),
    server(h323.alerting(h245Address=h323.h225(ENDS[2]), fastStart=h323.fast(h323.channel(1, *ENDS[2:])))),
    client(h323.facility(pdu=h323.tunnel(h323.CAPABILITIES, h323.open_channel(1, None, ENDS[1])))),
    server(h323.facility(answers=True, pdu=h323.tunnel(h323.acknowledge(1, *ENDS[2:]), h323.close(1)))),
    server(h323.facility(answers=True, alternativeAddress=h323.h225(ENDS[2]))), client(h323.release()),
]  # fmt: skip
H323_RAS = [
    client(h323.grq(ENDS[0])), server(h323.gcf(ENDS[2])), client(h323.rrq([ENDS[0]], [ENDS[1]], timeToLive=60)),
    server(h323.rcf(timeToLive=90)), client(h323.arq(srcCallSignalAddress=h323.h225(ENDS[0]))),
    server(h323.acf(ENDS[2])), client(h323.lrq(ENDS[0])), server(h323.lcf(*ENDS[2:])), client(h323.urq()),
]  # fmt: skip

#: (helper, transport) → a conversation that opens something
SEEDS: dict[tuple[str, str], Sequence[Message]] = {
    ("amanda", "udp"): [client(amanda.req()), server(amanda.rep()), client(amanda.ack())],
    ("ftp", "tcp"): FTP,
    ("gena", "tcp"): [
        client(gena.GET), server(gena.DESCRIPTION), client(gena.subscribe()), server(gena.accepted()),
        client(gena.renew()), server(gena.CHUNKS), client(gena.unsubscribe()), server(gena.OK),
    ],
    ("h323", "tcp"): H323_CALL,
    ("h323", "udp"): H323_RAS,
    ("dcerpc", "tcp"): DCERPC,
    ("ipsec", "udp"): [
        client(ipsec.request()), server(ipsec.answer()), server(ipsec.request(ipsec.CHILD, 0, initiator=False)),
        client(ipsec.answer(ipsec.CHILD, 0, initiator=False)), client(ipsec.request(ipsec.INFO, 2, 76)),
        server(ipsec.answer(ipsec.INFO, 2, 76)), client(ipsec.ikev2(ipsec.AUTH, 8, fragment=(1, 2))),
        client(ipsec.ikev1()), server(ipsec.ikev1()), client(ipsec.ikev1(size=52)),
        client(ipsec.ikev1(ipsec.INFO_V1, 84, 5)), server(ipsec.ikev1(ipsec.INFO_V1, 84, 6)),
    ],
    ("nfs4cb", "tcp"): [client(nfs4.NULL, nfs4.set_client_id()), client(nfs4.CONFIRM), client(nfs4.PUTROOTFH)],
    ("xdmcp-x11", "udp"): [
        client(xdmcp.request(CLIENT[4].addr)), server(xdmcp.accept()), client(xdmcp.manage()),
        client(xdmcp.keep_alive()), server(xdmcp.alive()), server(xdmcp.failed()),
    ],
    ("rsh", "tcp"): [client(b"1011\0" + rcmd.RSH_REST), server(b"\0out\n")],
    ("rexec", "tcp"): [client(b"54645\0" + rcmd.REXEC_REST), server(b"\0out\n")],
    ("irc", "tcp"): [
        client(irc.LOGIN), server(irc.WELCOME), client(irc.send(name=b'"two words"')), client(irc.accept()),
        client(irc.chat()), client(irc.send(0, address=b"199", rest=b" 3000 55")), client(b"\x16\x03\1"),
    ],
    ("mgcp", "udp"): [*mgcp.CALL, client(mgcp.response(8) + b".\r\n" + mgcp.command("RSIP", 10, "RM: forced"))],
    ("rpc", "udp"): [client(CALL), server(ANSWER)],
    ("rpc", "tcp"): [client(rpc.record(CALL)), server(rpc.record(ANSWER)), client(rpc.record(CALL[:9], CALL[9:]))],
    ("sane", "tcp"): SANE,
    ("sccp", "tcp"): [
        *sccp.CALL, server(sccp.opened(8, sccp.NEW, sccp.OTHER)), client(sccp.ack(party=8, version=sccp.NEW)),
        server(sccp.start_video(party=8, version=sccp.NEW)), client(sccp.started(party=8)),
    ],
    ("sip", "udp"): SIP,
    ("sip", "tcp"): SIP,
    ("talk", "udp"): [
        client(talk.request()), server(talk.answer()), client(talk.request(talk.ANNOUNCE, talk.LISTENS)),
        server(talk.answer(talk.ANNOUNCE, 0)), client(talk.request()), server(talk.answer(code=0, end=talk.CALLER)),
        client(talk.request(talk.DELETE, talk.LISTENS)), server(talk.answer(talk.DELETE, 0)),
    ],
    ("tftp", "udp"): [client(b"\0\1file\0octet\0blksize\x001468\0")],
    ("ndmp", "tcp"): [
        client(ndmp.opens(3)), server(ndmp.answer(ndmp.OPEN, bytes(4), 1)), client(ndmp.request(ndmp.DATA_LISTEN)),
        server(ndmp.listening(SERVER[4].at(45000), version=3)),
        client(ndmp.data_connects(CLIENT[4].at(45000), version=3)), client(ndmp.opens(4)),
        client(ndmp.mover_connects(CLIENT[4].at(45001), SERVER[4].at(45000))),
    ],
    ("enip-io", "tcp"): [
        client(enip.send(enip.opens())), server(enip.send(enip.opened())),
        client(enip.send(enip.routed(enip.opens(2)))),
        server(enip.send(enip.opened(2), (enip.O_TO_T, enip.address(SERVER[4].at(3001))))),
        client(enip.send(enip.closes())), server(enip.send(enip.closed())),
    ],
    ("gvsp", "udp"): [
        client(gvsp.heartbeat()), server(gvsp.read()), client(gvsp.write((gvsp.SCDA0, CLIENT[4].addr))),
        server(gvsp.written()), client(gvsp.write((gvsp.SCP0, 45015), number=8)), server(gvsp.written(8)),
        client(gvsp.write((gvsp.SCP0, 0), number=9)), server(gvsp.written(9)),
    ],
    ("twamp", "tcp"): twamp.SESSION,
    ("rtsp", "tcp"): RTSP,
    ("tns", "tcp"): [
        client(tns.connect()), server(tns.redirect(tns.address())), client(tns.connect()),
        server(tns.redirect_apart(tns.address(), parts=3)),
    ],
}  # fmt: skip

#: further conversations of the same parsers, which other first messages select
MORE: dict[tuple[str, str], Sequence[Message]] = {("rpc", "tcp"): vxi11.SESSION}
