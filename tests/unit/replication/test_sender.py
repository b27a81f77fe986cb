"""The TLS client, and what it must not send to."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from gateways_pair import Gateway, make_certificate

from fwhelpers.replication import connection, records
from fwhelpers.replication import sender as module
from fwhelpers.replication.credentials import Credentials
from fwhelpers.replication.feed import Feed
from fwhelpers.replication.records import Hello, Ping, Pong
from fwhelpers.replication.sender import Sender
from fwhelpers.replication.state import State
from fwhelpers.replication.table import Table

Pair = tuple[Gateway, Gateway]
Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def context(own: Path, peer: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return the context of a server."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own / "own.crt", own / "own.key")
    tls.load_verify_locations(peer / "own.crt")
    tls.maximum_version = version
    return tls


def run(
    pair: Pair,
    session: Session,
    condition: Callable[[State], bool],
    own: Path | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> State:
    """Let the first gateway send to a server of ours until the condition holds."""

    async def main() -> State:
        first, second = pair
        config = first.config(second)
        state = State(Table())
        feed = Feed(first.runtime / "replication", state)
        sender = Sender(config, Credentials(config), feed, state)
        tls = context(own or second.folder, first.folder, version)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                await session(reader, writer)
            await connection.close(writer)

        server = await asyncio.start_server(serve, *second.listen, ssl=tls)
        task = asyncio.get_running_loop().create_task(sender.run())
        try:
            for _ in range(60_000):
                if condition(state):
                    return state
                await asyncio.sleep(0.001)
            raise AssertionError("it does not happen")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            server.close()
            await asyncio.sleep(0.05)  # let the sessions of the server end

    return asyncio.run(main())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(records.encode(Hello("9")))
    while line := await reader.readline():
        message = records.decode(line[:-1])
        if isinstance(message, Ping):
            writer.write(records.encode(Pong(message.number, 5)))


def test_lag_and_what_the_other_gateway_has(pair: Pair) -> None:
    status = run(pair, answer, lambda state: state.lag is not None).status()
    assert (status.sending, status.version, status.confirmed) == (True, "9", 5)


def test_another_certificate_gets_nothing(
    pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_certificate(tmp_path / "other")
    run(pair, answer, lambda state: bool(caplog.messages), tmp_path / "other")
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.messages[0]


def test_an_older_tls_is_refused(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    def is_refused(state: State) -> bool:
        return any(m.startswith("replication: not sending: ") for m in caplog.messages)

    state = run(pair, answer, is_refused, version=ssl.TLSVersion.TLSv1_2)
    assert not state.status().version
    assert caplog.messages[-1].removeprefix("replication: not sending: ")  # there is a reason


def test_silence_ends_the_connection(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(records.encode(Hello("9")))
        with suppress(OSError):
            await reader.read()

    run(pair, silent, lambda state: bool(caplog.messages))
    assert caplog.messages[0].startswith("replication: not sending: silent for")


def test_the_same_problem_is_logged_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "RETRY", 0.01)
    attempts = []

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(1)
        writer.close()

    run(pair, close, lambda state: len(attempts) > 3)
    assert caplog.messages == ["replication: not sending: closed by the other end"]


def test_attempts_become_rarer() -> None:
    delays = connection.delays()
    assert [next(delays) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


@pytest.fixture(autouse=True)
def log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fwhelpers")
