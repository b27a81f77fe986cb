"""Rates over a sliding window."""

from __future__ import annotations

from fwhelpers.events.rates import RateSampler


def test_a_rate_needs_a_sample_and_time() -> None:
    sampler = RateSampler()
    assert sampler.rates({"a": {"n": 5}}, 0.0) == {}
    sampler.add({"a": {"n": 5}}, 0.0)
    assert sampler.rates({"a": {"n": 5}}, 0.0) == {}
    assert sampler.rates({"a": {"n": 8}}, 2.0) == {"a": {"n": 1.5}}


def test_the_window_slides() -> None:
    sampler = RateSampler(window=10.0)
    for second in range(0, 101, 5):  # 1 a second at first, then nothing
        sampler.add({"a": {"n": min(second, 50)}}, float(second))
    assert len(sampler._samples) == 3
    assert sampler.rates({"a": {"n": 50}}, 101.0) == {"a": {"n": 0.0}}


def test_new_keys_count_from_zero_and_restarted_counters_are_no_negative_rates() -> None:
    sampler = RateSampler()
    sampler.add({"a": {"n": 50}}, 0.0)
    assert sampler.rates({"a": {"n": 3, "m": 4}, "b": {"n": 2}}, 2.0) == {
        "a": {"n": 0.0, "m": 2.0},
        "b": {"n": 1.0},
    }


def test_samples_are_copies() -> None:
    sampler = RateSampler()
    totals = {"a": {"n": 1.0}}
    sampler.add(totals, 0.0)
    totals["a"]["n"] = 3.0
    assert sampler.rates(totals, 1.0) == {"a": {"n": 2.0}}
