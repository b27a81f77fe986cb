"""A bounded, repeatable run of every fuzz target; `./dev fuzz` runs them for real time, guided by coverage."""

from __future__ import annotations

from random import Random

import pytest

from fuzz import mutate
from fuzz.targets import all_targets, seeds
from fwhelpers.kernel import nfqueue
from fwhelpers.plugin.manager import load

COUNT = 100  #: mutations for each target
TARGETS = all_targets()


def test_every_parser_is_a_target() -> None:
    parsers = {f"parser-{h.name}-{l4}" for h in load().helpers.values() for l4 in h.registered}
    assert parsers <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str) -> None:
    assert seeds(name), "no corpus: see tests/fuzz/write_corpus.py"
    mutate.run(TARGETS[name], seeds(name), Random(name), COUNT)


def test_a_broken_invariant_names_its_input() -> None:
    def target(data: bytes) -> None:
        assert b"\xff\xff" not in data

    with pytest.raises(AssertionError) as caught:
        mutate.run(target, [b"seed"], Random(1), 2000)
    assert caught.value.__notes__[0].startswith("input: ")


def test_the_seed_of_the_queue_is_a_packet() -> None:
    (packet,) = nfqueue.parse_packets(memoryview(seeds("queue")[0]))
    assert packet.orig.dport == 21
    assert bytes(packet.payload)
