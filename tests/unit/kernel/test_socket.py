"""Requests and their answers: an error must not shift the answers of later requests."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.socket import NetlinkSocket


def answer(status: int) -> bytes:
    """A netlink message that acknowledges a request, or refuses it."""
    return struct.pack("=IHHIIi16x", 36, nfnl.ERROR, 0, 0, 0, -status)


class Kernel(socket.socket):
    """Answers before `send` returns. `lost`: the numbers of the requests for whose answer it has no memory."""

    def __init__(self, lost: set[int]) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.lost = lost
        self.answers: list[bytes | None] = []
        self.count = 0

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        for status in data:  # each byte is a request, which fails with the errno of its value
            self.count += 1
            self.answers.append(None if self.count in self.lost else answer(status))
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self.answers:
            raise BlockingIOError(errno.EAGAIN, "")
        first = self.answers.pop(0)
        if first is None:
            raise OSError(errno.ENOBUFS, "")
        return first


def connected(monkeypatch: pytest.MonkeyPatch, *lost: int) -> NetlinkSocket:
    monkeypatch.setattr("fwhelpers.kernel.socket._open", lambda: kernel)
    kernel = Kernel(set(lost))
    monkeypatch.setattr(kernel, "setsockopt", lambda *arguments: None, raising=False)
    return NetlinkSocket()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_does_not_shift_the_others(
    monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    sock = connected(monkeypatch, lost)
    assert sock.request_all([b"\0", bytes([errno.ENOENT]), b"\0"]) == [errno.ENOBUFS] * 3
    for expected in (errno.EEXIST, 0, errno.EBUSY):
        assert sock.request_all([bytes([expected])]) == [expected]
    sock.close()


def test_a_lost_answer_of_one_request_is_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = connected(monkeypatch, 1)
    with pytest.raises(NetlinkError) as caught:
        sock.request(b"\0")
    assert caught.value.errno == errno.ENOBUFS
    with pytest.raises(NetlinkError) as caught:
        sock.request(bytes([errno.ENOENT]))
    assert caught.value.errno == errno.ENOENT
    assert sock.request(b"\0") == []
    sock.close()
