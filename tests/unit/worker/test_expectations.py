"""Expectations by ctnetlink: what is taken over and what is not."""

from __future__ import annotations

from dataclasses import replace
from errno import EBUSY, EEXIST, ENOENT

import pytest
from kernel_table import errnos

from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.worker.expectations import ExpectationTable

A, B, C = (bytes((10, 0, 1, n)) for n in (2, 3, 4))
EXPECTED = Expectation(
    Tuple(A, B, 6, 40000, 21), Tuple(B, A, 6, 0, 5000), mask_for(Tuple(B, A, 6, 0, 5000))
)


class Kernel:
    """A table with at most one expectation, asked by netlink messages."""

    def __init__(self, there: Expectation | None = None, error: int = 0) -> None:
        self.there, self.error = there, error
        self.asked: list[int] = []

    def request(self, message: bytes) -> list[bytes]:
        (only,) = nfnl.split(message)
        self.asked.append(only.kind)
        if only.kind == expect.NEW:
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
