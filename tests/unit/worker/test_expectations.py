"""Expectations by ctnetlink: what is taken over and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from errno import EBUSY, EEXIST, EINTR, ENOBUFS, ENOENT, ENOMEM, EPERM
from typing import Any

import pytest
from kernel_table import errnos

from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import Message, NetlinkError
from fwhelpers.worker.expectations import MAX_ENDED, ExpectationTable

A, B, C = (bytes((10, 0, 1, n)) for n in (2, 3, 4))
EXPECTED = Expectation(
    Tuple(A, B, 6, 40000, 21), Tuple(B, A, 6, 0, 5000), mask_for(Tuple(B, A, 6, 0, 5000))
)


class Kernel:
    """A table with at most one expectation, asked by netlink messages."""

    def __init__(self, there: Expectation | None = None, error: int = 0) -> None:
        self.there, self.error = there, error
        self.asked: list[int] = []
        self.lifetime = 0

    def request(self, message: bytes) -> list[bytes]:
        (only,) = nfnl.split(message)
        self.asked.append(only.kind)
        if only.kind == expect.NEW and not only.flags & nfnl.CREATE:
            if self.there is None:
                raise NetlinkError(ENOENT, "renew")
            self.lifetime = expect.parse_expectation(only.payload).timeout
        elif only.kind == expect.NEW:
            if self.there or self.error:
                raise NetlinkError(self.error or EEXIST, "create")
            self.there = EXPECTED
        elif self.there is None:
            raise NetlinkError(ENOENT, "get")
        elif only.kind == expect.DELETE:
            self.there = None
        else:
            (reply,) = nfnl.split(expect.encode_create(self.there))
            return [bytes(reply.payload)]
        return []

    def request_all(self, messages: list[bytes]) -> list[int]:
        return errnos(self.request, messages)


def maker(kernel: Kernel) -> ExpectationTable:
    return ExpectationTable(kernel)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "error", "errno"), [(None, 0, 0), (EXPECTED, 0, EEXIST), (None, EBUSY, EBUSY)]
)
def test_create(there: Expectation | None, error: int, errno: int) -> None:
    assert maker(Kernel(there, error)).create(EXPECTED) == errno


OTHERS = [
    replace(
        EXPECTED, nat=Tuple(C, bytes(4), 6, 5000, 0), fn="nat-follow-master"
    ),  # leads to another client
    replace(EXPECTED, mask=mask_for(EXPECTED.tuple, prefix=24)),
]


def test_an_equal_one_of_another_master_is_taken_over() -> None:
    kernel = Kernel(replace(EXPECTED, master=Tuple(A, B, 6, 40001, 21)))
    assert maker(kernel).replace(EXPECTED) == 0
    assert kernel.asked == [expect.GET, expect.DELETE, expect.NEW]


def test_an_own_one_is_renewed_in_its_place() -> None:
    kernel = Kernel(replace(EXPECTED, flags=expect.USERSPACE))
    assert maker(kernel).renew(EXPECTED, 300)
    assert (kernel.asked, kernel.lifetime) == ([expect.GET, expect.NEW], 300)


@pytest.mark.parametrize(
    "there",
    [
        None,
        replace(EXPECTED, master=Tuple(A, B, 6, 40001, 21)),
        replace(EXPECTED, flags=expect.PERMANENT),
        replace(EXPECTED, klass=1),
        *OTHERS,
    ],
)
def test_no_other_one_is_renewed(there: Expectation | None) -> None:
    kernel = Kernel(there)
    assert not maker(kernel).renew(EXPECTED, 300)
    assert kernel.asked == [expect.GET]


@pytest.mark.parametrize("there", OTHERS)
def test_one_that_is_not_equal_stays(there: Expectation) -> None:
    kernel = Kernel(there)
    assert maker(kernel).replace(EXPECTED) == EEXIST
    maker(kernel).release(EXPECTED)
    assert kernel.there == there


def test_one_that_was_used_meanwhile_is_created() -> None:
    kernel = Kernel()
    assert maker(kernel).replace(EXPECTED) == 0
    assert kernel.asked == [expect.GET, expect.NEW]


def test_release() -> None:
    kernel = Kernel(EXPECTED)
    maker(kernel).release(EXPECTED)
    assert kernel.there is None
    maker(kernel).release(EXPECTED)  # nothing is there any more


def test_delete_of_what_is_not_there() -> None:
    maker(Kernel()).delete(EXPECTED)


def test_delete_leaves_one_of_another_master() -> None:
    other = replace(EXPECTED, master=Tuple(C, B, 6, 40000, 21))
    kernel = Kernel(other)
    maker(kernel).delete(EXPECTED)
    assert kernel.there == other


@pytest.mark.parametrize("there", OTHERS)
def test_delete_leaves_one_that_is_not_equal(there: Expectation) -> None:
    kernel = Kernel(there)
    maker(kernel).delete(EXPECTED)
    assert kernel.there == there
    assert not maker(kernel).has(EXPECTED)


def test_delete_removes_its_own() -> None:
    kernel = Kernel(EXPECTED)
    assert maker(kernel).has(EXPECTED)
    maker(kernel).delete(EXPECTED)
    assert kernel.there is None


class Events:
    """The kernel's reports; None: some were lost."""

    def __init__(self, *payloads: bytes | None) -> None:
        self.messages = [
            None if p is None else Message(expect.DELETE, 0, 0, 2, 0, memoryview(p))
            for p in payloads
        ]

    def read(self) -> Iterator[Message | None]:
        while self.messages:
            yield self.messages.pop(0)


def test_the_kernels_reports_of_ends() -> None:
    zoned = replace(EXPECTED, zone=7)
    payloads = [
        bytes(message.payload)
        for e in (EXPECTED, zoned)
        for message in nfnl.split(expect.encode_create(e))
    ]
    events: Any = Events(payloads[0], b"", payloads[0][:9], b"\1\0", payloads[1])
    ended = ExpectationTable(Kernel(), events).ended()  # type: ignore[arg-type]
    assert ended == [ExpectationId(key_of(e), e.master) for e in (EXPECTED, zoned)]
    lost: Any = Events(payloads[0], None, payloads[1])
    assert ExpectationTable(Kernel(), lost).ended() is None  # type: ignore[arg-type]
    assert ExpectationTable(Kernel()).ended() is None  # type: ignore[arg-type]


def test_reports_are_read_in_bounded_numbers() -> None:
    (message,) = nfnl.split(expect.encode_create(EXPECTED))
    events: Any = Events(*[bytes(message.payload)] * (MAX_ENDED + 1))
    table = ExpectationTable(Kernel(), events)  # type: ignore[arg-type]
    assert [len(table.ended() or ()) for _ in range(3)] == [MAX_ENDED, 1, 0]


class Failing(Kernel):
    """A kernel without memory for some of its answers."""

    def __init__(self, there: Expectation | None, errno: int, times: int) -> None:
        super().__init__(there)
        self.errno, self.times = errno, times

    def request(self, message: bytes) -> list[bytes]:
        (only,) = nfnl.split(message)
        if only.kind == expect.GET and self.times:
            self.times -= 1
            raise NetlinkError(self.errno, "get")
        return super().request(message)


UNANSWERED = [(errno, times) for errno in (ENOBUFS, ENOMEM, EINTR, EPERM) for times in (1, 9)]


@pytest.mark.parametrize(("errno", "times"), UNANSWERED)
def test_what_is_to_be_deleted_does_not_stay_open_without_an_answer(errno: int, times: int) -> None:
    kernel = Failing(EXPECTED, errno, times)
    maker(kernel).delete(EXPECTED)
    assert kernel.there is None


@pytest.mark.parametrize(("errno", "times"), UNANSWERED)
def test_what_is_in_doubt_counts(errno: int, times: int) -> None:
    assert maker(Failing(EXPECTED, errno, times)).has(EXPECTED)


@pytest.mark.parametrize(("errno", "times"), UNANSWERED)
@pytest.mark.parametrize("there", [EXPECTED, *OTHERS])
def test_without_an_answer_nothing_of_another_is_taken(
    errno: int, times: int, there: Expectation
) -> None:
    other = replace(there, master=Tuple(C, B, 6, 40000, 21))
    kernel = Failing(other, errno, times)
    table = maker(kernel)
    assert not table.renew(EXPECTED, 300)
    kernel.times = times
    table.release(EXPECTED)
    assert kernel.there == (None if times == 1 and there is EXPECTED else other)
    kernel = Failing(other, errno, 9)
    assert maker(kernel).replace(EXPECTED) == errno
    assert kernel.there == other
