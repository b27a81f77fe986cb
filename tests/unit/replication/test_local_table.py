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
from fwhelpers.replication.records import Complete, Status
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
