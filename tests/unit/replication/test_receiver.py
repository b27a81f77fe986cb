"""The TLS server, and what connects to it that is not the other gateway."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from gateways_pair import Gateway, make_certificate
from replicated import live

from fwhelpers.replication import receiver as module
from fwhelpers.replication import records
from fwhelpers.replication.credentials import Credentials
from fwhelpers.replication.receiver import Receiver
from fwhelpers.replication.records import Begin, Complete, Ended, Hello, Ping, Pong
from fwhelpers.replication.state import State
from fwhelpers.replication.table import Table

Pair = tuple[Gateway, Gateway]
HELLO = records.encode(Hello("9"))


class Server:
    """The receiver of the first gateway."""

    def __init__(self, pair: Pair) -> None:
        own, self.peer = pair
        config = own.config(self.peer)
        self.table = Table()
        self.state = State(self.table)
        self.receiver = Receiver(config, Credentials(config), self.table, self.state)
        self.address = config.listen
        self.own_certificate = own.folder / "own.crt"
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def receiving(self) -> bool:
        return self.state.status().receiving

    def context(self, folder: Path | None) -> ssl.SSLContext:
        """Return the context of a client with the certificate in a folder."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.own_certificate)
        if folder is not None:
            context.load_cert_chain(folder / "own.crt", folder / "own.key")
        return context

    async def connect(
        self, context: ssl.SSLContext | None = None, source: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            *self.address,
            ssl=context or self.context(self.peer.folder),
            local_addr=(source or self.peer.listen.host, 0),
        )
        self.writers.append(writer)
        return reader, writer


def run(pair: Pair, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        server = Server(pair)
        task = asyncio.get_running_loop().create_task(server.receiver.run())
        try:
            await asyncio.wait_for(scenario(server), 120)
        finally:
            task.cancel()
            for writer in server.writers:
                writer.transport.abort()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            await asyncio.gather(task, return_exceptions=True)
            server.receiver.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(60_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it does not happen")


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Read to the end."""
    with suppress(OSError):
        await reader.read()
    return True


def test_the_other_gateway_is_heard(pair: Pair) -> None:
    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        lines = [Hello("9"), Begin(), live(1, 5000), live(2, 5001), Complete(), Ended(1), Ping(7)]
        writer.writelines(map(records.encode, lines))
        assert isinstance(records.decode((await reader.readline())[:-1]), Hello)
        assert records.decode((await reader.readline())[:-1]) == Pong(7, 1)
        status = server.state.status()
        assert (status.receiving, status.version, status.received) == (True, "9", 1)

    run(pair, scenario)


def test_a_sender_whose_pings_wait_behind_its_data_is_answered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING", 0.01)

    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        writer.write(HELLO + records.encode(Begin()))
        await reader.readline()
        answers = asyncio.create_task(reader.readline())
        number = 0
        while not answers.done():
            number += 1
            writer.write(records.encode(live(number, number)))
            await asyncio.sleep(0.02)
            assert number < 500
        pong = records.decode(answers.result()[:-1])
        assert isinstance(pong, Pong)
        assert pong.number == 0
        assert pong.records >= 1

    run(pair, scenario)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM])
def test_a_connection_that_can_not_be_accepted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    problems = [OSError(number, "no")]

    async def scenario(server: Server) -> None:
        loop = asyncio.get_running_loop()
        accept = loop.sock_accept

        async def fails_once(sock: socket.socket) -> Any:
            if problems:
                raise problems.pop()
            return await accept(sock)

        monkeypatch.setattr(loop, "sock_accept", fails_once)
        for _ in range(2):  # the first one is accepted by the call that began before
            _, writer = await server.connect()
            writer.write(HELLO)
            await until(lambda: server.receiving)
        assert not problems

    run(pair, scenario)


def test_a_newer_version_may_say_more(pair: Pair) -> None:
    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        writer.write(HELLO + b'{"kind":"weather"}\n' + records.encode(Ping(1)))
        await reader.readline()
        assert records.decode((await reader.readline())[:-1]) == Pong(1, 0)

    run(pair, scenario)


def test_a_newer_format_is_refused_with_one_line(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: Server) -> None:
        for _ in range(3):
            reader, writer = await server.connect()
            writer.write(records.encode(Hello("9", 2)))
            assert await is_closed(reader)

    run(pair, scenario)
    assert caplog.messages == [
        "replication: not receiving: version 9 has format 2, this one 1: upgrade this gateway"
    ]


def _other(server: Server) -> ssl.SSLContext:
    make_certificate(server.peer.folder / "other")
    return server.context(server.peer.folder / "other")


def _signed_by_the_pinned_one(server: Server) -> ssl.SSLContext:
    """OpenSSL accepts it: the pinned certificate is an authority."""
    folder, authority = server.peer.folder / "signed", server.peer.folder
    make_certificate(folder)
    request = ["openssl", "req", "-new", "-key", "own.key", "-subj", "/CN=b", "-out", "own.csr"]
    sign = ["openssl", "x509", "-req", "-in", "own.csr", "-days", "9", "-out", "own.crt"]
    sign += ["-CA", f"{authority}/own.crt", "-CAkey", f"{authority}/own.key", "-CAcreateserial"]
    for argv in (request, sign):
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return server.context(folder)


def _none(server: Server) -> ssl.SSLContext:
    return server.context(None)


def _old(server: Server) -> ssl.SSLContext:
    context = server.context(server.peer.folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("context", [_other, _signed_by_the_pinned_one, _none, _old])
def test_who_has_not_the_pinned_certificate_is_refused(
    pair: Pair, context: Callable[[Server], ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: Server) -> None:
        try:
            reader, writer = await server.connect(context(server))
            writer.write(HELLO + records.encode(live()))
            assert await is_closed(reader)
        except OSError:  # refused in the handshake
            pass
        await until(lambda: bool(caplog.messages))
        assert (len(server.table), server.receiving) == (0, False)

    run(pair, scenario)
    assert caplog.messages[0].startswith("replication: not receiving: ")


def test_a_stranger_does_not_end_the_connection(pair: Pair) -> None:
    """One on the other gateway's address, so that it comes as far as the handshake."""

    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        writer.write(HELLO)
        await reader.readline()
        for context in (_none(server), _other(server), _old(server)):
            try:
                other, _ = await server.connect(context)
                assert await is_closed(other)
            except OSError:
                pass
        writer.write(records.encode(Ping(1)))
        assert records.decode((await reader.readline())[:-1]) == Pong(1, 0)
        assert server.receiving

    run(pair, scenario)


def test_a_new_connection_replaces_the_former(pair: Pair) -> None:
    """The former may be one that the other gateway has lost already."""

    async def scenario(server: Server) -> None:
        first, writer = await server.connect()
        writer.write(HELLO)
        await first.readline()
        await until(lambda: server.receiving)
        second, writer = await server.connect()
        writer.write(HELLO + records.encode(Ping(1)))
        await second.readline()
        assert records.decode((await second.readline())[:-1]) == Pong(1, 0)
        assert await is_closed(first)
        assert server.receiving

    run(pair, scenario)


def test_other_addresses_see_no_handshake(pair: Pair) -> None:
    async def scenario(server: Server) -> None:
        with pytest.raises(OSError, match=r"\w|^$"):
            await server.connect(source="127.0.0.9")

    run(pair, scenario)


def test_handshakes_are_few_and_short(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDSHAKE", 0.5)

    async def scenario(server: Server) -> None:
        loop = asyncio.get_running_loop()
        socks = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((server.peer.listen.host, 0))
            await loop.sock_connect(sock, server.address)
            socks.append(sock)
        await until(lambda: len(server.receiver._tasks) == 4)
        for sock in socks:
            with suppress(ConnectionError):
                assert await loop.sock_recv(sock, 1) == b""
            sock.close()

    run(pair, scenario)


@pytest.mark.parametrize("words", [b"", b"\xff\n", b"x" * 5000, b'{"kind":"live"}\n'])
def test_silence_and_nonsense_end_the_connection(
    pair: Pair, words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.2)

    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        writer.write(HELLO + records.encode(live()))
        await until(lambda: len(server.table) == 1)
        writer.write(words)
        assert await is_closed(reader)
        await until(lambda: not server.receiving)
        assert len(server.table) == 1  # it may have failed

    run(pair, scenario)


def test_a_peer_that_does_not_read_the_answers(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.5)

    async def scenario(server: Server) -> None:
        _, writer = await server.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(HELLO)
        await until(lambda: server.receiving)
        pings = records.encode(Ping(1)) * 1000
        with suppress(OSError):
            while server.receiving:
                writer.write(pings)
                await writer.drain()
                await asyncio.sleep(0)
        await until(lambda: not server.receiving)

    run(pair, scenario)


@pytest.fixture(autouse=True)
def log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fwhelpers")
