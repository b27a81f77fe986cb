"""What the other processes of this gateway ask for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from replicated import live

from fwhelpers.replication import local_socket, local_table, records
from fwhelpers.replication.local_table import LocalTable
from fwhelpers.replication.records import Complete, Status, Take
from fwhelpers.replication.state import State
from fwhelpers.replication.table import Table


def ask(path: Path, table: Table, mark: bool = False) -> local_table.Answer:
    async def main() -> local_table.Answer:
        local = LocalTable(path, table, State(table))
        task = asyncio.get_running_loop().create_task(local.run())
        try:
            return await asyncio.to_thread(local_table.ask, path, mark, 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            local.close()

    return asyncio.run(main())


@pytest.mark.parametrize("mark", [False, True])
def test_status_and_records(tmp_path: Path, mark: bool) -> None:
    table = Table()
    for number in range(1, 1001):
        table.add(live(number, 5000 + number), time.monotonic())
    answer = ask(tmp_path / "table", table, mark)
    assert answer.status.received == len(answer.records) == 1000
    assert {record.taken for record in answer.records} == {False}
    assert {record.taken for record in table.records(time.monotonic())} == {mark}


def test_other_users_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_socket, "is_trusted", lambda sock: False)
    with pytest.raises((ValueError, OSError), match=r"\w"):
        ask(tmp_path / "table", Table())


def taken(path: Path, table: Table, client: Callable[[socket.socket], None]) -> bool:
    """Return whether the only record is marked after a client has done something in place of a take-over."""

    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(records.encode(Take(mark=True)))
            client(sock)

    async def main() -> bool:
        local = LocalTable(path, table, State(table))
        task = asyncio.get_running_loop().create_task(local.run())
        try:
            await asyncio.to_thread(connect)
            answer = await asyncio.to_thread(local_table.ask, path, True, 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            local.close()
        return answer.records[0].taken

    return asyncio.run(main())


def reads(sock: socket.socket) -> None:
    while sock.recv(1000):
        pass


def confirms(sock: socket.socket) -> None:
    reads(sock)
    sock.sendall(records.encode(Complete()))


@pytest.mark.parametrize("client", [lambda sock: None, lambda sock: sock.recv(1), reads])
def test_records_that_a_take_over_did_not_get_are_not_taken(
    tmp_path: Path, client: Callable[[socket.socket], None]
) -> None:
    table = Table()
    table.add(live(), time.monotonic())
    assert not taken(tmp_path / "table", table, client)


def test_records_that_it_got_are_taken(tmp_path: Path) -> None:
    table = Table()
    table.add(live(), time.monotonic())
    assert taken(tmp_path / "table", table, confirms)


def test_of_two_take_overs_at_once_one_gets_them(tmp_path: Path) -> None:
    table = Table()
    for number in range(1, 2001):
        table.add(live(number, 5000 + number), time.monotonic())

    async def main() -> list[local_table.Answer]:
        path = tmp_path / "table"
        local = LocalTable(path, table, State(table))
        task = asyncio.get_running_loop().create_task(local.run())
        try:
            asks = [asyncio.to_thread(local_table.ask, path, True, 60) for _ in range(2)]
            return await asyncio.gather(*asks)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            local.close()

    answers = asyncio.run(main())
    assert sorted(any(r.taken for r in answer.records) for answer in answers) == [False, True]
    assert all(len({r.taken for r in answer.records}) == 1 for answer in answers)


@pytest.fixture
def say(tmp_path: Path) -> Iterator[Callable[[bytes], Path]]:
    """Return the path of a process that answers with certain bytes."""
    threads = []
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "table"))
    sock.listen()

    def prepare(data: bytes) -> Path:
        def answer() -> None:
            client, _ = sock.accept()
            with client:
                client.recv(1000)
                client.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        threads.append(thread)
        return tmp_path / "table"

    yield prepare
    for thread in threads:
        thread.join()
    sock.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\n",
        records.encode(Complete()),
        records.encode(Status()),
        records.encode(Status()) + records.encode(live()),
    ],
)
def test_an_answer_that_is_not_complete(say: Callable[[bytes], Path], data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        local_table.ask(say(data), False, 60)


def test_no_process(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        local_table.ask(tmp_path / "table", False, 60)


def test_a_process_that_hangs(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "table"))
        sock.listen()
        with pytest.raises(TimeoutError):
            local_table.ask(tmp_path / "table", False, 0.1)
