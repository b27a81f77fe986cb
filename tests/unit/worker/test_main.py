"""A worker that takes over from one that was taken over; processes and queues themselves: tests/vm."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from fwhelpers.worker import main
from fwhelpers.worker.main import Worker
from fwhelpers.worker.messages import Problem, decode
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats

HOSTILE = [
    b"3\n" + b"[" * 100_000,
    b'3\n{"key": ["", 1e999]}',
    b'3\n{"memory": "x", "items": [[1, 2]]}',
    b'3\n{"memory": ["x"], "items": []}',
    b"\xff" * 100,
]


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    monkeypatch.setattr(main, "NetlinkSocket", object)
    monkeypatch.setattr(main, "EventSocket", lambda groups: None)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("content", HOSTILE)
def test_a_hostile_handover_is_reported_and_ignored(
    channel: tuple[socket.socket, socket.socket], content: bytes
) -> None:
    ours, theirs = channel
    fd = os.memfd_create("flows")
    os.write(fd, content)
    queue: Any = None
    worker = Worker(queue, 1000, theirs, SharedStats.create(), HandoverFile(fd))
    worker._resume()
    message = decode(ours.recv(1 << 20))
    assert isinstance(message, Problem)
    assert message.text.startswith("handover: flows of the previous worker are lost: ")
    os.close(fd)
