"""Helper objects in the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EEXIST
from typing import Any

import pytest

from fwhelpers.api import DatagramParser, Helper, Policy, StreamParser
from fwhelpers.kernel import cthelper, nfnl
from fwhelpers.kernel.cthelper import CtHelper
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.plugin.manager import load
from fwhelpers.registration.cthelpers import CLASSES, CtHelperTable, kernel_objects

PLAIN = Helper("foo", "tcp", [7], StreamParser, policies=[Policy("a", 2, 30)])
PARENT = Helper(
    "bar", "udp", [7], {"udp": DatagramParser, "tcp": StreamParser}, children=("udp", "tcp")
)


@pytest.mark.parametrize(("helper", "l4s"), [(PLAIN, {6}), (PARENT, {6, 17})])
def test_a_helper_has_an_object_for_each_family_and_transport(
    helper: Helper, l4s: set[int]
) -> None:
    objects = kernel_objects(helper)
    assert {(o.l3, o.l4) for o in objects} == {(l3, l4) for l3 in (2, 10) for l4 in l4s}
    assert len(objects) == 2 * len(l4s)


def test_all_classes_exist_from_the_beginning() -> None:
    # their number can't be changed later
    for helper in load().helpers.values():
        for kernel_object in kernel_objects(helper):
            assert len(kernel_object.policies) == CLASSES
    (first, *_) = kernel_objects(PLAIN)[0].policies
    assert (first.max, first.timeout) == (2, 30)


class FakeNetlink:
    """The kernel's table of helpers."""

    def __init__(self, *helpers: CtHelper) -> None:
        self.helpers = {(h.name, h.l3, h.l4): h for h in helpers}

    def dump(self, message: bytes, purpose: str) -> Iterator[bytes]:
        return iter([_payload(helper) for helper in self.helpers.values()])

    def request(self, message: bytes, purpose: str) -> list[bytes]:
        (sent,) = nfnl.split(message)
        helper = cthelper.parse_helper(sent.payload)
        if sent.flags & nfnl.EXCL and (helper.name, helper.l3, helper.l4) in self.helpers:
            raise NetlinkError(EEXIST, purpose)
        self.helpers[helper.name, helper.l3, helper.l4] = helper
        return []


def _payload(helper: CtHelper) -> bytes:
    (sent,) = nfnl.split(cthelper.encode_new(helper, excl=False))
    return bytes(sent.payload)


FOREIGN = CtHelper("sip", 2, 17, queue=7, status=1, priv_len=0)


def table(*helpers: CtHelper) -> tuple[CtHelperTable, FakeNetlink]:
    netlink: Any = FakeNetlink(*helpers)
    return CtHelperTable(netlink), netlink


def queues(netlink: FakeNetlink) -> set[tuple[str, int]]:
    return {(h.name, h.queue) for h in netlink.helpers.values() if h.status}


def test_only_the_listed_helpers_of_ours_are_enabled() -> None:
    helpers, netlink = table(FOREIGN)
    assert helpers.register([PLAIN, PARENT]) == {}
    assert queues(netlink) == {("sip", 7)}
    helpers.set_queues({PLAIN.kernel_name: 1000, PARENT.kernel_name: 1001})
    assert queues(netlink) == {("sip", 7), (PLAIN.kernel_name, 1000), (PARENT.kernel_name, 1001)}
    helpers.set_queues({PARENT.kernel_name: 1002})
    assert queues(netlink) == {("sip", 7), (PARENT.kernel_name, 1002)}
    helpers.disable_all()
    assert queues(netlink) == {("sip", 7)}


def test_an_adopted_helper_keeps_its_queue_with_new_policies() -> None:
    former = Helper("foo", "tcp", [7], StreamParser, policies=[Policy("a", 1, 10)])
    helpers, netlink = table()
    helpers.register([former])
    helpers.set_queues({former.kernel_name: 1000})
    assert helpers.register([PLAIN]) == {}
    assert queues(netlink) == {(PLAIN.kernel_name, 1000)}
    assert {h.policies[0].max for h in netlink.helpers.values()} == {2}


def test_a_foreign_helper_of_the_same_name_is_a_problem() -> None:
    taken = CtHelper(PLAIN.kernel_name, 2, 6, priv_len=0)
    helpers, netlink = table(taken)
    assert "another helper of the name" in helpers.register([PLAIN])["foo"]
    assert netlink.helpers[taken.name, 2, 6] == taken
