from __future__ import annotations

from fwhelpers.engine.guard import Refusal
from fwhelpers.engine.token_bucket import TokenBuckets


def buckets(max_rate: int = 1000) -> TokenBuckets:
    return TokenBuckets(max_rate, party_share=4)


def taken(
    tokens: TokenBuckets, client: str, count: int, now: float, rate: int = 10, party: str = ""
) -> int:
    party_key = (party or client).encode()
    return sum(tokens.take(client, party_key, rate, now) is None for _ in range(count))


def test_a_client_has_two_seconds_of_its_rate_at_once() -> None:
    tokens = buckets()
    assert taken(tokens, "a", 100, now=0) == 20
    assert taken(tokens, "a", 100, now=0.5) == 5
    assert taken(tokens, "a", 100, now=100) == 20


def test_a_refusal_names_the_rate() -> None:
    tokens = buckets()
    taken(tokens, "a", 20, now=0)
    assert tokens.take("a", b"a", 10, 0) == Refusal(
        "G9", "more than 10 expectations a second (guard.rate)"
    )


def test_time_that_steps_back_earns_nothing() -> None:
    tokens = buckets()
    taken(tokens, "a", 20, now=10)
    assert taken(tokens, "a", 5, now=0) == 0


def test_the_addresses_of_one_party_share_a_part_of_the_whole() -> None:
    tokens = buckets()
    clients = [str(n) for n in range(200)]
    assert sum(taken(tokens, c, 20, now=0, party="net") for c in clients) == 500
    assert taken(tokens, "other", 20, now=0) == 20


def test_the_whole_is_bounded() -> None:
    tokens = buckets(max_rate=100)
    assert sum(taken(tokens, str(n), 5, now=0) for n in range(100)) == 200


def test_others_do_not_refill_a_bucket() -> None:
    """As many clients as the whole rate admits make none forget how much another has used."""
    tokens = buckets(max_rate=100)
    for n in range(1000):
        now = n / 100
        taken(tokens, "a", 100, now, rate=1)
        for m in range(20):
            taken(tokens, f"{n}.{m}", 1, now)
    assert len(tokens) <= 1202
    used = sum(taken(tokens, "a", 100, 10 + n / 10, rate=1) for n in range(10))
    assert used <= 1


def test_clients_of_an_exhausted_party_take_no_memory() -> None:
    tokens = buckets(max_rate=100)
    for n in range(5000):
        taken(tokens, str(n), 1, now=0, party="net")
    assert len(tokens) <= 51
