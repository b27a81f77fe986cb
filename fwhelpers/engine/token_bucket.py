"""Token buckets: bounds on the rate of new expectations (G9)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from fwhelpers.engine.guard import Refusal

#: seconds of its rate that a bucket holds
CAPACITY = 2.0
_INFINITE = float("inf")


class Bucket:
    """A bucket that is filled at the rate given with each call."""

    __slots__ = ("_at", "tokens")

    def __init__(self) -> None:
        self.tokens = _INFINITE
        self._at = -_INFINITE

    def refill(self, rate: int, now: float) -> bool:
        """Add the tokens of the time since the last call; return whether there is one."""
        tokens = self.tokens
        if now > self._at:
            tokens += (now - self._at) * rate
        if tokens > CAPACITY * rate:
            tokens = CAPACITY * rate
        self.tokens, self._at = tokens, now
        return tokens >= 1


class TokenBuckets:
    """A bucket for all, one for each party (of a share of the whole rate) and one for each client."""

    def __init__(self, max_rate: int, party_share: int) -> None:
        self._max_rate = max_rate
        self._party_rate = max(1, max_rate // party_share)
        self._all = Bucket()
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()
        # A bucket is full again after CAPACITY seconds without use. To use another one takes a token of the whole, or
        # an empty bucket, which has cost one within CAPACITY seconds before. The whole yields at most three times its
        # capacity in twice CAPACITY seconds, each for two buckets: the bucket that makes room for another is full.
        self._max_buckets = int(2 * 3 * CAPACITY * max_rate) + 2

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: Hashable, party: bytes, rate: int, now: float) -> Refusal | None:
        """Take a token for a client that may have `rate` a second, or return why there is none."""
        if not self._all.refill(self._max_rate, now):
            return Refusal("G9", f"more than {self._max_rate} expectations a second")
        shared = self._bucket(party)
        if not shared.refill(max(rate, self._party_rate), now):
            return Refusal("G9", f"more than {self._party_rate} expectations a second")
        own = self._bucket(client)
        if not own.refill(rate, now):
            return Refusal("G9", f"more than {rate} expectations a second (guard.rate)")
        self._all.tokens -= 1
        shared.tokens -= 1
        own.tokens -= 1
        return None

    def _bucket(self, key: Hashable) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket()
            if len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
