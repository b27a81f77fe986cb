"""What a helper needs in the kernel."""

from __future__ import annotations

import pytest

from fwhelpers.api import DatagramParser, Helper, Policy, StreamParser
from fwhelpers.plugin.manager import load
from fwhelpers.registration.cthelpers import CLASSES, kernel_objects

PLAIN = Helper("foo", "tcp", [7], StreamParser, policies=[Policy("a", 2, 30)])
PARENT = Helper(
    "bar", "udp", [7], {"udp": DatagramParser, "tcp": StreamParser}, children=("udp", "tcp")
)


@pytest.mark.parametrize(("helper", "l4s"), [(PLAIN, {6}), (PARENT, {6, 17})])
def test_one_for_each_family_and_transport_those_of_children_too(
    helper: Helper, l4s: set[int]
) -> None:
    made = kernel_objects(helper)
    assert {(one.l3, one.l4) for one in made} == {(l3, l4) for l3 in (2, 10) for l4 in l4s}
    assert len(made) == 2 * len(l4s)


def test_all_classes_are_there_from_the_beginning() -> None:
    # their number can't be changed later
    for helper in load().helpers.values():
        for one in kernel_objects(helper):
            assert len(one.policies) == CLASSES
    (first, *_) = kernel_objects(PLAIN)[0].policies
    assert (first.max, first.timeout) == (2, 30)
