"""Connections as conntrack and the queue present them, with what verdicts change in their entries."""

from __future__ import annotations

import socket
from dataclasses import replace

from packets import tcp4, udp4
from path_messages import Conversation, Message
from path_worker import OUTDEV

from fwhelpers.api import KERNEL_HELPERS
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_LABELS,
    IPS_CONFIRMED,
    IPS_HELPER,
    IPS_SEEN_REPLY,
    Conntrack,
    Tuple,
    parse_help,
)
from fwhelpers.kernel.nla import parse
from fwhelpers.testing.queued_packet import QueuedPacket, ctinfo

_SYN, _PSH_ACK = 2, 0x18
_INDEV = 2
_L4 = {"tcp": 6, "udp": 17}
_PUBLIC = bytes((192, 0, 2, 1))
_LABELS = ((labels.ORIG_SEEN, labels.ORIG_MORE), (labels.REPLY_SEEN, labels.REPLY_MORE))


class Flow:
    """One connection. Yields its packets in order, each with the entry as it then is."""

    def __init__(self, conversation: Conversation, number: int) -> None:
        self._tcp = conversation.l4 == "tcp"
        # requests to a group come from this host
        group = conversation.server.startswith("239.")
        self._indev = 0 if group else _INDEV
        client = bytes((10, 1, *divmod(0 if group else number, 250)))
        server = socket.inet_aton(conversation.server)
        sport = 32768 + number % 20000
        visible = _PUBLIC if conversation.masquerade else client
        l4, name = _L4[conversation.l4], conversation.helper
        self.entry = Conntrack(
            Tuple(client, server, l4, sport, conversation.port),
            Tuple(server, visible, l4, conversation.port, sport),
            IPS_HELPER,
            30,
            id=number + 1,
            helper=f"fw-{name}" if name in KERNEL_HELPERS else name,
            info=bytes(32),
        )  # fmt: skip
        self._messages: list[Message] = list(conversation.script(socket.inet_ntoa(client)))
        self._handshake = conversation.handshake
        self._step = 0
        self._seq = [1000, 5000]
        self._seen = [0, 0]
        self._labels = 1 << labels.BEGAN

    def next(self) -> QueuedPacket | None:
        """Return the next packet, None at the end."""
        if self._handshake:
            self._handshake = False
            self._seq[0] += 1
            return self._packet(b"", False, self._seq[0] - 1, _SYN)
        if self._step == len(self._messages):
            return None
        data, reply = self._messages[self._step]
        self._step += 1
        if self._tcp and not self._seen[reply] and not self.entry.status & IPS_CONFIRMED:
            self.confirm()  # by the handshake, which is not queued
        for label in _LABELS[reply][: self._seen[reply] + 1]:
            self._labels |= 1 << label
        self._seen[reply] = 1
        packet = self._packet(data, reply, self._seq[reply], _PSH_ACK)
        self._seq[reply] += len(data)
        return packet

    def _packet(self, data: bytes, reply: bool, seq: int, flags: int) -> QueuedPacket:
        # as seen after NAT, on the way out of the gateway
        tup = self.entry.orig if reply else self.entry.reply
        src, dst = socket.inet_ntoa(tup.dst), socket.inet_ntoa(tup.src)
        ports = (tup.dport, tup.sport)
        if self._tcp:
            ack = self._seq[not reply]
            payload = tcp4(data, seq, flags, src, dst, ports, ack)
            bits = [bit for bit in range(128) if self._labels >> bit & 1]
            self.entry = replace(self.entry, labels=labels.bits(*bits))
        else:
            payload = udp4(data, src, dst, ports)
        return QueuedPacket(
            payload, self.entry, ctinfo(self.entry, reply), indev=self._indev, outdev=OUTDEV
        )

    def confirm(self) -> None:
        """The packet left the gateway, so the entry is in the table."""
        status = self.entry.status | IPS_CONFIRMED | (IPS_SEEN_REPLY if self._seen[1] else 0)
        self.entry = replace(self.entry, status=status)

    def change(self, attributes: memoryview) -> None:
        """Apply a verdict's NFQA_CT."""
        parts = parse(attributes)
        if CTA_HELP in parts:
            self.entry = replace(self.entry, info=parse_help(parts[CTA_HELP])[1])
        if CTA_LABELS in parts:
            # as the kernel's: 128 bits in host order
            self._labels |= sum(
                1 << bit for bit in range(128) if labels.has(bytes(parts[CTA_LABELS]), bit)
            )

    @property
    def queued(self) -> bool:
        """False once the worker has marked the flow as finished."""
        return not self._labels >> labels.DONE & 1
