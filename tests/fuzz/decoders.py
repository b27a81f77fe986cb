"""Targets for everything else that reads foreign bytes: packets, netlink, D-Bus answers, files, worker messages."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from connection import Connection, FakePacket

from fuzz import framing
from fwhelpers import config
from fwhelpers.api import ParseError
from fwhelpers.config import overrides
from fwhelpers.engine import handover
from fwhelpers.engine.expectation_key import Connection as Master
from fwhelpers.engine.headers import locate
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.mangle import Edit, MangleError, rewrite
from fwhelpers.engine.registry import Registry
from fwhelpers.engine.replicated import Replicated
from fwhelpers.engine.takeover import examine
from fwhelpers.firewalld import decode as firewalld
from fwhelpers.firewalld import rich_rules
from fwhelpers.kernel import conntrack, cthelper, expect, nfnl, nfqueue, nla
from fwhelpers.migrate import conntrackd, convert, firewall, render
from fwhelpers.migrate.notes import MigrationError
from fwhelpers.networkmanager import client as networkmanager
from fwhelpers.plugin.manager import load
from fwhelpers.replication import records
from fwhelpers.sansio.http1 import HeadReader
from fwhelpers.testing import pcap
from fwhelpers.testing.fragments import Reassembly
from fwhelpers.testing.link_layer import ip_packet
from fwhelpers.worker import messages

PLUGINS = load()
#: errors that decoders of netlink may raise
NETLINK_ERRORS = (nla.DecodeError, nfnl.NetlinkError)
FTP = PLUGINS.helpers["ftp"]


def packet(data: bytes) -> None:
    """Any bytes as a queued packet."""
    connection = Connection(FTP, "tcp", "10.0.1.2:40000", "10.0.2.2:21")
    queued = FakePacket(data, connection.orig, connection.reply, 0, FTP.kernel_name)
    assert connection.send(queued).accept
    assert [note for note in connection.notes if note.kind == "failed"] == []
    segment = locate(data)
    if segment is not None:
        assert 0 <= segment.data <= segment.end <= len(data)
        with suppress(MangleError):
            edits = [Edit(0, min(4, segment.end - segment.data), b"12345")]
            assert len(rewrite(bytes(data), segment, edits)) >= 20


def segments(data: bytes) -> None:
    """A TCP stream whose segments come at any sequence number, with any flags."""
    connection = Connection(FTP, "tcp", "10.0.1.2:40000", "10.0.2.2:21")
    for message, reply in framing.split(data):
        offset, flags, text = message[0], message[1:2] or b"\x18", message[2:]
        seq = (connection.seq[reply] + offset - 128) % 2**32
        connection.send(connection.packet(text, reply, seq, flags[0]))
        connection.seq[reply] = (connection.seq[reply] + len(text)) % 2**32
    assert [note for note in connection.notes if note.kind == "failed"] == []


def private_data(data: bytes) -> None:
    """Any private data in the conntrack entry, for every helper."""
    for helper in PLUGINS.helpers.values():
        if not helper.parser:  # the kernel's own
            continue
        connection = Connection(helper, helper.l4s[0], "10.0.1.2:40000", "10.0.2.2:700")
        connection.info = data[:32].ljust(32, b"\0")
        connection.c(data[32:] or b"x")
        assert [note for note in connection.notes if note.kind == "failed"] == []


def queue(data: bytes) -> None:
    with suppress(*NETLINK_ERRORS):
        for item in nfqueue.parse_packets(memoryview(data)):
            with suppress(*NETLINK_ERRORS):
                _ = (item.payload, item.helper, item.orig, item.reply, item.ctinfo, item.status)
                _ = (item.zone, item.labels, item.info, item.ct_id, item.timeout, item.hook)
                _ = (item.indev, item.outdev, item.confirmed, item.tuple_orig_raw)


def netlink(data: bytes) -> None:
    readers: list[Callable[[bytes], Any]] = [
        lambda item: [nfnl.error_of(message) for message in nfnl.split(item)],
        lambda item: list(nla.walk(item)),
        nla.parse,
        conntrack.parse_conntrack,
        conntrack.parse_tuple,
        conntrack.parse_help,
        expect.parse_expectation,
        cthelper.parse_helper,
    ]
    for read in readers:
        with suppress(*NETLINK_ERRORS):
            read(data)


def expectation(data: bytes) -> None:
    """What is decoded can be shown."""
    with suppress(*NETLINK_ERRORS):
        expect.format_line(expect.parse_expectation(data))


def dbus(data: bytes) -> None:
    """Any JSON value as another service's answer on the bus."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    answer = value if isinstance(value, dict) else {"": value}
    firewalld.zone("z", answer)
    firewalld.policy("p", answer)
    firewalld.service("s", answer)
    firewalld.helper("h", value)


def network_manager(data: bytes) -> None:
    """Objects, interfaces and properties as NetworkManager returns them, with any property values."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    networkmanager.decode(value)


def rich_rule(data: bytes) -> None:
    with suppress(rich_rules.UnsupportedRule):
        rich_rules.parse(data.decode("utf-8", "replace"))


def configuration(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(config.ConfigError):
        config.resolve(config.parse([("fuzz.toml", text)]), PLUGINS.helpers, {})
    with suppress(ValueError):
        overrides.parse(text)


def importer(data: bytes) -> None:
    """The first half of the input is conntrackd's configuration, the second half firewall rules."""
    text = data.decode("utf-8", "replace")
    document_text, _, rules_text = text.partition("\x1e")
    rules = firewall.read([("rules", rules_text or text)])
    try:
        document = conntrackd.parse("conntrackd.conf", document_text)
    except MigrationError:
        return
    toml = render.toml(convert.convert(document, rules, PLUGINS.helpers))
    with suppress(config.ConfigError):
        config.resolve(config.parse([("imported.toml", toml)]), PLUGINS.helpers, {})


def worker_message(data: bytes) -> None:
    try:
        message = messages.decode(data)
    except ValueError:
        return
    # what was accepted survives the way back
    assert messages.decode(messages.encode(message)) == message


def replicated(data: bytes) -> None:
    """A line of the other gateway, and the take-over that uses it."""
    try:
        message = records.decode(data)
    except ValueError:
        return
    if not isinstance(message, records.Live):
        return
    assert records.decode(records.encode(message)[:-1])
    expected = expect.parse_expectation(message.payload)
    # the control connection that it names is there
    orig = expected.master
    reply = conntrack.Tuple(orig.dst, orig.src, orig.l4, orig.dport, orig.sport)
    entry = conntrack.Conntrack(orig, reply, helper=FTP.kernel_name)
    record = Replicated(expected, message.remaining)
    masters = {Master(expected.zone, orig): entry}
    helpers = {FTP.kernel_name: Active(FTP)}
    for finding in examine([], masters, helpers, Registry(), 0.0, [record]):
        if finding.replacement is not None:
            assert finding.replacement.tuple.dport >= 1024
            assert expect.encode_create(finding.replacement)


def handover_state(data: bytes) -> None:
    with suppress(ValueError):
        list(handover.decode(data))
    inspector = Inspector(
        {helper.kernel_name: Active(helper) for helper in PLUGINS.helpers.values()},
        Connection(FTP, "tcp", "10.0.1.2:1", "10.0.2.2:21").maker,
    )
    with suppress(ValueError):
        inspector.resume(data)


def http(data: bytes) -> None:
    for until_close in (False, True):
        reader = HeadReader(lambda head: True, until_close=until_close)
        with suppress(ParseError):
            for _ in reader.feed(data):
                pass


def capture(data: bytes) -> None:
    """A capture file, with link layers and fragments."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        reassembly = Reassembly()
        with suppress(ValueError):
            for frame in pcap.read(Path(file.name)):
                whole = ip_packet(frame.link, frame.data)
                if whole is not None:
                    reassembly.feed(whole, frame.time)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "packet": packet,
    "segments": segments,
    "private-data": private_data,
    "queue": queue,
    "netlink": netlink,
    "expectation": expectation,
    "dbus": dbus,
    "networkmanager": network_manager,
    "rich-rule": rich_rule,
    "configuration": configuration,
    "importer": importer,
    "worker-message": worker_message,
    "replicated": replicated,
    "handover": handover_state,
    "http": http,
    "capture": capture,
}
