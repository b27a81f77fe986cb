"""Memory shared by worker and manager, also when the worker has been taken over."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fwhelpers.worker import shared_memory
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats


@pytest.fixture
def sides() -> Iterator[tuple[SharedStats, SharedStats]]:
    manager = SharedStats.create()
    worker = SharedStats(os.dup(manager.fd))
    yield manager, worker
    manager.close()
    worker.close()


def test_the_manager_reads_the_fields_of_the_worker(
    sides: tuple[SharedStats, SharedStats],
) -> None:
    manager, worker = sides
    worker.last_id, worker.packets = 7, 9
    worker.beat()
    manager.read()
    assert (manager.beats, manager.last_id, manager.packets) == (1, 7, 9)


def test_impossible_values_count_as_zero(sides: tuple[SharedStats, SharedStats]) -> None:
    manager, worker = sides
    worker.last_id, worker.packets, worker.overflows = 1 << 32, (1 << 64) - 1, 1 << 60
    worker.publish()
    manager.read()
    assert (manager.last_id, manager.packets, manager.overflows) == (0, 0, 0)


def test_the_worker_cannot_shrink_the_page(sides: tuple[SharedStats, SharedStats]) -> None:
    _, worker = sides
    with pytest.raises(PermissionError):
        os.ftruncate(worker.fd, 0)


def test_a_handover_is_read_once() -> None:
    fd = os.memfd_create("flows")
    assert HandoverFile(fd).content == b""
    HandoverFile(fd).write(b"a flow\n" * 1000)
    successor = HandoverFile(fd)
    assert successor.content == b"a flow\n" * 1000
    # the successor of a crashed worker must not find the state of an earlier one
    assert HandoverFile(fd).content == b""
    os.close(fd)


def test_a_handover_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "MAX_HANDOVER", 100)
    fd = os.memfd_create("flows")
    HandoverFile(fd).write(b"x" * 1000)
    assert HandoverFile(fd).content == b"x" * 100
    os.close(fd)
