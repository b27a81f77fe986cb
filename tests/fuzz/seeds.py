"""Conversations that open something, for each helper and transport, as seeds of the fuzzers."""

from __future__ import annotations

from collections.abc import Sequence

import amanda_messages as amanda
import gena_messages as gena
import rpc_messages as rpc
import sane_messages as sane
import tns_messages as tns

from fwhelpers.testing.playbook import Message, client, server

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

#: (helper, transport) → a conversation that opens something
SEEDS: dict[tuple[str, str], Sequence[Message]] = {
    ("amanda", "udp"): [client(amanda.req()), server(amanda.rep()), client(amanda.ack())],
    ("ftp", "tcp"): FTP,
    ("gena", "tcp"): [
        client(gena.GET), server(gena.DESCRIPTION), client(gena.subscribe()), server(gena.accepted()),
        client(gena.renew()), server(gena.CHUNKS), client(gena.unsubscribe()), server(gena.OK),
    ],
    ("rpc", "udp"): [client(CALL), server(ANSWER)],
    ("rpc", "tcp"): [client(rpc.record(CALL)), server(rpc.record(ANSWER)), client(rpc.record(CALL[:9], CALL[9:]))],
    ("sane", "tcp"): SANE,
    ("tftp", "udp"): [client(b"\0\1file\0octet\0blksize\x001468\0")],
    ("tns", "tcp"): [
        client(tns.connect()), server(tns.redirect(tns.address())), client(tns.connect()),
        server(tns.redirect_apart(tns.address(), parts=3)),
    ],
}  # fmt: skip
