"""Netlink sockets for requests, events and queues. No other module opens one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Iterator

from fwhelpers.kernel import nfnl, nfqueue
from fwhelpers.kernel.nfnl import Message, NetlinkError, error_of, split

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _NO_ENOBUFS, _EXT_ACK_CAP = 1, 5, 10
_SO_ATTACH_FILTER, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_MEMINFO = 26, 32, 33, 55
_MSG_DONTWAIT = 0x40
_ANSWER = struct.Struct("=4xH10xi")  # nlmsghdr.nlmsg_type, nlmsgerr.error
#: SK_MEMINFO_RMEM_ALLOC and SK_MEMINFO_RCVBUF (linux/sock_diag.h), the first two of nine values
_MEMINFO = struct.Struct("=II")

RECEIVE = 1 << 17  #: bytes; a queued packet is at most 64 KiB and its attributes
QUEUE_BUFFER = 8 << 20  #: bytes that the kernel may hold for a queue socket
VERDICT_BUFFER = 1 << 17  #: bytes of one message with verdicts; a rewritten packet has up to 64 KiB
EVENT_BUFFER = 4 << 20
BATCH = 16  #: packets received with one system call


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    try:
        sock = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
    except OSError as error:
        raise NetlinkError(error.errno or errno.EIO, "open a netfilter netlink socket") from None
    sock.bind((0, 0))
    return sock


#: socket options: beyond the system's limit, and within it
_RECEIVING = _SO_RCVBUFFORCE, socket.SO_RCVBUF
_SENDING = _SO_SNDBUFFORCE, socket.SO_SNDBUF


def _grow(sock: socket.socket, size: int, options: tuple[int, int] = _RECEIVING) -> None:
    force, limited = options
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, limited, size)


def _filter(sock: socket.socket, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: number of instructions, pointer to them
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)


class NetlinkSocket:
    """Sends requests, one at a time, and reads their answers."""

    def __init__(self) -> None:
        self._sock = _open()
        # errors repeat only the header of the request
        self._sock.setsockopt(_SOL_NETLINK, _EXT_ACK_CAP, 1)

    def request(self, message: bytes, name: str = "netlink request") -> list[bytes]:
        """Send a request with the ACK flag; return the payloads before the ACK. Raises NetlinkError."""
        self._send(message, name)
        return list(self._answers(name))

    def request_all(self, messages: list[bytes]) -> list[int]:
        """Send requests with the ACK flag together; return the errno of each, 0 for success."""
        try:
            self._sock.send(b"".join(messages))
            return [self._acknowledgement() for _ in messages]
        except OSError as error:
            self._discard()
            return [error.errno or errno.EIO] * len(messages)

    def _acknowledgement(self) -> int:
        while True:
            buffer = self._sock.recv(RECEIVE)
            kind, status = _ANSWER.unpack_from(buffer)
            if kind == nfnl.ERROR:
                return -int(status)
            for message in split(buffer):
                if message.type == nfnl.ERROR:
                    return error_of(message)

    def dump(self, message: bytes, name: str = "netlink dump") -> Iterator[bytes]:
        """Send a dump request; yield the payloads. Raises NetlinkError."""
        self._send(message, name)
        return self._answers(name)

    def _send(self, message: bytes, name: str) -> None:
        try:
            self._sock.send(message)
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO, name) from None

    def _answers(self, name: str) -> Iterator[bytes]:
        while True:
            for message in split(self._receive(name)):
                if message.type in (nfnl.ERROR, nfnl.DONE):
                    problem = error_of(message)
                    if problem:
                        raise NetlinkError(problem, name)
                    return
                yield bytes(message.payload)

    def _receive(self, name: str) -> bytes:
        try:
            return self._sock.recv(RECEIVE)
        except OSError as error:
            self._discard()
            raise NetlinkError(error.errno or errno.EIO, name) from None

    def _discard(self) -> None:
        """Discard answers that have arrived: the next request must not take them for its own.

        The kernel answers before send(2) returns; it reports ENOBUFS in place of an answer for which it had no memory.
        """
        with contextlib.suppress(OSError):
            while self._sock.recv(RECEIVE, _MSG_DONTWAIT):
                pass

    def close(self) -> None:
        self._sock.close()


class EventSocket:
    """Receives multicast events. None stands for lost events: dump again."""

    def __init__(self, groups: tuple[int, ...], program: bytes = b"") -> None:
        self._sock = _open()
        self._sock.setblocking(False)
        _grow(self._sock, EVENT_BUFFER)
        if program:  # before the first event can arrive
            _filter(self._sock, program)
        for group in groups:
            self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self.overflows = 0

    def fileno(self) -> int:
        return self._sock.fileno()

    def read(self) -> Iterator[Message | None]:
        """Yield the events that have arrived, None where the kernel dropped some."""
        while True:
            try:
                buffer = self._sock.recv(RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overflows += 1
                yield None
                continue
            yield from split(buffer)

    def close(self) -> None:
        self._sock.close()


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_IoVec)), ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


class _Batch:
    """Buffers for recvmmsg(2), allocated once."""

    def __init__(self) -> None:
        # of anonymous pages only those exist that were used: packets of control traffic are small
        self.memory = mmap.mmap(-1, RECEIVE * BATCH)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.vectors = (_IoVec * BATCH)(
            *(_IoVec(start + i * RECEIVE, RECEIVE) for i in range(BATCH))
        )
        self.headers = (_MMsgHdr * BATCH)()
        for header, vector in zip(self.headers, self.vectors, strict=True):
            header.header.iov = ctypes.pointer(vector)
            header.header.iovlen = 1
        self.view = memoryview(self.memory)
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg

    def receive(self, fd: int) -> int:
        """Return the number of datagrams, or the negative errno."""
        count = self._call(fd, self.headers, BATCH, _MSG_DONTWAIT, None)
        return count if count >= 0 else -ctypes.get_errno()


class QueueSocket:
    """The socket of one queue. Every process that has it open owns the queue."""

    def __init__(self, fd: int | None = None) -> None:
        self._sock = _open() if fd is None else socket.socket(fileno=fd)
        self._batch: _Batch | None = None
        self.overflows = 0
        _grow(self._sock, QUEUE_BUFFER)
        _grow(self._sock, VERDICT_BUFFER, _SENDING)
        # a full socket buffer must not stop the reading of the rest
        self._sock.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)

    def fileno(self) -> int:
        """The descriptor, for poll and to pass it to a worker."""
        return self._sock.fileno()

    def bind(self, number: int, *, fail_open: bool = True, maxlen: int = 4096) -> None:
        """Bind the queue. Raises NetlinkError: EBUSY if it is bound already, EPERM without CAP_NET_ADMIN."""
        flags = nfqueue.F_CONNTRACK | (nfqueue.F_FAIL_OPEN if fail_open else 0)
        self._sock.send(nfqueue.encode_bind(number, maxlen=maxlen, flags=flags))
        while True:
            buffer = memoryview(self._sock.recv(RECEIVE))
            for packet in nfqueue.parse_packets(buffer):  # packets may arrive before the answer
                self.send(nfqueue.encode_batch(number, packet.id))
            for message in split(buffer):
                if message.type == nfnl.ERROR:
                    problem = error_of(message)
                    if problem:
                        raise NetlinkError(problem, f"bind queue {number}")
                    return

    def adopt(self, number: int, *, fail_open: bool = True, maxlen: int = 4096) -> None:
        """Continue with a queue that this socket is bound to; packets may wait in it."""
        flags = nfqueue.F_CONNTRACK | (nfqueue.F_FAIL_OPEN if fail_open else 0)
        self._sock.send(nfqueue.encode_parameters(number, maxlen=maxlen, flags=flags))

    def release(self, number: int) -> None:
        """Accept the waiting packets, which the kernel would drop, and close. No rule may refer to the queue."""
        while buffers := self.receive():
            for packet in (p for buffer in buffers for p in nfqueue.parse_packets(buffer)):
                self.send(nfqueue.encode_batch(number, packet.id))
        self.close()

    def prepare(self) -> None:
        """Allocate what `receive` needs; a sandboxed process could not load it later."""
        self._batch = self._batch or _Batch()

    def receive(self) -> list[memoryview]:
        """Return the datagrams that have arrived, at most BATCH; valid until the next call."""
        self.prepare()
        assert self._batch is not None
        batch = self._batch
        count = batch.receive(self._sock.fileno())
        if count < 0:
            if -count == errno.ENOBUFS:
                self.overflows += 1
            elif -count not in (errno.EAGAIN, errno.EINTR):
                raise OSError(-count, f"receive from queue: {os.strerror(-count)}")
            return []
        sizes = [batch.headers[i].length for i in range(count)]
        return [batch.view[i * RECEIVE : i * RECEIVE + size] for i, size in enumerate(sizes)]

    def backlog(self) -> tuple[int, int]:
        """Return the bytes of memory that unread packets occupy, and how many may be occupied.

        The kernel counts whole buffers (skb->truesize), more than the packets' own bytes.
        """
        info = self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        occupied, limit = _MEMINFO.unpack(info)
        return occupied, limit

    def send(self, verdicts: bytes) -> None:
        """Send verdicts. A verdict for a packet that is gone is no error."""
        self._sock.send(verdicts)

    def close(self) -> None:
        """Close the socket, which releases the queue unless another process has it open."""
        self._sock.close()
