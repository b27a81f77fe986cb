"""Counts the steps of backtracking regular expressions, to see quadratic patterns without a clock.

A small interpreter of `re`'s own syntax trees. It takes the paths that `re` takes, in the same order, and counts each
comparison of a character. It has no optimisations, so its counts bound those of `re` from above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Next = Callable[[int], bool]
Node = tuple[Any, Any]

_CATEGORIES: dict[Any, Callable[[int], bool]] = {
    c.CATEGORY_SPACE: lambda byte: byte in b" \t\n\r\v\f",
    c.CATEGORY_NOT_SPACE: lambda byte: byte not in b" \t\n\r\v\f",
    c.CATEGORY_DIGIT: lambda byte: byte in b"0123456789",
    c.CATEGORY_NOT_DIGIT: lambda byte: byte not in b"0123456789",
    c.CATEGORY_WORD: lambda byte: chr(byte).isalnum() or byte == 0x5F,
    c.CATEGORY_NOT_WORD: lambda byte: not (chr(byte).isalnum() or byte == 0x5F),
}
_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT)


class Unsupported(Exception):
    """The pattern has a construct that no pattern of ours uses."""


def tree(pattern: re.Pattern[Any]) -> list[Node]:
    return list(_parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))


class Counter:
    """Matches one pattern on one input and counts."""

    def __init__(self, pattern: re.Pattern[Any], data: bytes, limit: int) -> None:
        self.steps = 0
        self._nodes = tree(pattern)
        self._ignore_case = bool(pattern.flags & re.IGNORECASE)
        self._dot_all = bool(pattern.flags & re.DOTALL)
        self._data = data
        self._limit = limit
        self._groups: dict[int | None, bytes] = {}

    def fullmatch(self) -> bool:
        return self._sequence(self._nodes, 0, lambda end: end == len(self._data))

    def finditer(self) -> Iterator[tuple[int, int]]:
        """Search as `re.finditer` does: from each position in turn."""
        start = 0
        while start <= len(self._data):
            end = self._match(start)
            if end is not None:
                yield start, end
            start = start + 1 if end is None or end == start else end

    def _match(self, start: int) -> int | None:
        ends: list[int] = []

        def accept(end: int) -> bool:
            ends.append(end)
            return True

        return ends[0] if self._sequence(self._nodes, start, accept) else None

    def _sequence(self, nodes: list[Node], at: int, then: Next) -> bool:
        if not nodes:
            return then(at)
        rest = nodes[1:]
        return self._node(nodes[0], at, lambda end: self._sequence(rest, end, then))

    def _node(self, node: Node, at: int, then: Next) -> bool:
        kind, value = node
        if self.is_single(node):
            return self._compare(node, at) and then(at + 1)
        if kind is c.SUBPATTERN:

            def capture(end: int) -> bool:
                former, self._groups[value[0]] = self._groups.get(value[0], b""), self._data[at:end]
                if then(end):
                    return True
                self._groups[value[0]] = former
                return False

            return self._sequence(list(value[3]), at, capture)
        if kind is c.GROUPREF:
            self._count()
            text = self._groups.get(value, b"")
            return self._data.startswith(text, at) and then(at + len(text))
        if kind is c.BRANCH:
            return any(self._sequence(list(branch), at, then) for branch in value[1])
        if kind in _REPEATS:
            low, high, body = value
            high = len(self._data) + 1 if high is c.MAXREPEAT else high
            return self._repeat(list(body), low, high, kind is c.MAX_REPEAT, at, then)
        if kind is c.AT:
            self._count()
            end = len(self._data)
            if value in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
                return at == 0 and then(at)
            if value in (c.AT_END, c.AT_END_STRING):
                return at == end and then(at)
        if kind in (c.ASSERT, c.ASSERT_NOT):
            direction, body = value
            start = at if direction > 0 else at - 1  # our patterns look behind by one byte only
            if direction < 0 and not (len(body) == 1 and self.is_single(body[0])):
                raise Unsupported("a long look-behind")
            held = start >= 0 and self._sequence(list(body), start, lambda end: True)
            return held is (kind is c.ASSERT) and then(at)
        raise Unsupported(str(kind))

    def _repeat(
        self, body: list[Node], low: int, high: int, greedy: bool, at: int, then: Next
    ) -> bool:
        if len(body) == 1 and self.is_single(body[0]):
            return self._repeat_single(body[0], low, high, greedy, at, then)

        def more(count: int, start: int) -> Next:
            def after(end: int) -> bool:
                if end == start and count > low:  # an empty round does not repeat
                    return False
                return attempt(count, end)

            return after

        def attempt(count: int, position: int) -> bool:
            again = count < high
            if greedy:
                return (again and self._sequence(body, position, more(count + 1, position))) or (
                    count >= low and then(position)
                )
            return (count >= low and then(position)) or (
                again and self._sequence(body, position, more(count + 1, position))
            )

        return attempt(0, at)

    def _repeat_single(
        self, node: Node, low: int, high: int, greedy: bool, at: int, then: Next
    ) -> bool:
        count = 0
        if not greedy:
            while count < low:
                if not self._compare(node, at + count):
                    return False
                count += 1
            while not then(at + count):
                if count >= high or not self._compare(node, at + count):
                    return False
                count += 1
            return True
        while count < high and self._compare(node, at + count):
            count += 1
        while count >= low:
            self._count()
            if then(at + count):
                return True
            count -= 1
        return False

    def is_single(self, node: Node) -> bool:
        return node[0] in (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)

    def _compare(self, node: Node, at: int) -> bool:
        self._count()
        return at < len(self._data) and self.accepts(node, self._data[at])

    def accepts(self, node: Node, byte: int) -> bool:
        kind, value = node
        if self._ignore_case and chr(byte).isalpha():
            return self._accepts(kind, value, byte) or self._accepts(kind, value, byte ^ 0x20)
        return self._accepts(kind, value, byte)

    def _accepts(self, kind: Any, value: Any, byte: int) -> bool:
        if kind is c.LITERAL:
            return bool(byte == value)
        if kind is c.NOT_LITERAL:
            return bool(byte != value)
        if kind is c.ANY:
            return self._dot_all or byte != 0x0A
        negated = value[0][0] is c.NEGATE
        member = any(self._member(item, byte) for item in value[negated:])
        return member is not negated

    def _member(self, item: Node, byte: int) -> bool:
        kind, value = item
        if kind is c.LITERAL:
            return bool(byte == value)
        if kind is c.RANGE:
            return bool(value[0] <= byte <= value[1])
        if kind is c.CATEGORY:
            return _CATEGORIES[value](byte)
        raise Unsupported(str(kind))

    def _count(self) -> None:
        self.steps += 1
        if self.steps > self._limit:
            raise OverflowError(f"more than {self._limit} steps")


def samples(counter: Counter, node: Node) -> list[bytes]:
    """Bytes that a node accepts: one of each sort, blanks among them."""
    candidates = b" \taA0_.:,;=<>()[]{}\"'\\/-*#x\n\0\xff"
    own = [node[1]] if node[0] is c.LITERAL else []
    return [bytes((b,)) for b in [*own, *candidates] if counter.accepts(node, b)][:12]


def example(counter: Counter, nodes: list[Node], variant: int = 0) -> bytes:
    """A short input that a sequence accepts, each repeat at least once; variant 1 prefers letters and digits."""
    text = b""
    for node in nodes:
        kind, value = node
        if counter.is_single(node):
            accepted = samples(counter, node)
            visible = [sample for sample in accepted if sample.isalnum()] if variant else []
            text += next(iter(visible or accepted), b"?")
        elif kind is c.SUBPATTERN:
            text += example(counter, list(value[3]), variant)
        elif kind is c.BRANCH:
            text += example(counter, list(value[1][0]), variant)
        elif kind in _REPEATS:
            text += example(counter, list(value[2]), variant) * max(1, value[0])
    return text


def pumps(
    counter: Counter, nodes: list[Node], variant: int, prefix: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """For each unbounded repeat: a prefix that leads to it, and a text that it accepts, to be repeated."""
    for node in nodes:
        kind, value = node
        if kind is c.SUBPATTERN:
            yield from pumps(counter, list(value[3]), variant, prefix)
        elif kind is c.BRANCH:
            for branch in value[1]:
                yield from pumps(counter, list(branch), variant, prefix)
        elif kind in _REPEATS:
            low, high, body = value[0], value[1], list(value[2])
            if high is c.MAXREPEAT or high > 64:
                single = len(body) == 1 and counter.is_single(body[0])
                for unit in (
                    samples(counter, body[0]) if single else [example(counter, body, variant)]
                ):
                    yield prefix, unit
            once = example(counter, body, variant) * max(1, low)
            yield from pumps(counter, body, variant, prefix)
            yield from pumps(counter, body, variant, prefix + once)
        prefix += example(counter, [node], variant)


def inputs(pattern: re.Pattern[Any]) -> list[tuple[bytes, bytes]]:
    """Prefix and unit of all inputs that may be expensive."""
    counter = Counter(pattern, b"", 1 << 60)
    nodes = tree(pattern)
    prefixes = {b"", *(example(counter, nodes, variant) for variant in (0, 1))}
    literals = sorted(set(_literals(nodes)))[:5]
    units = {bytes((byte,)) for byte in b" \t\"'\\<>([{a0,;:\n\0"}
    units |= {bytes(pair) for pair in product(literals, repeat=2)}
    pumped = {item for variant in (0, 1) for item in pumps(counter, nodes, variant)}
    return sorted({*pumped, *product(prefixes, units)})


def _literals(nodes: list[Node]) -> Iterator[int]:
    for kind, value in nodes:
        if kind is c.LITERAL or kind is c.NOT_LITERAL:
            yield value
        elif kind is c.IN:
            yield from (item for sort, item in value if sort is c.LITERAL)
        elif kind is c.SUBPATTERN:
            yield from _literals(list(value[3]))
        elif kind is c.BRANCH:
            yield from (byte for branch in value[1] for byte in _literals(list(branch)))
        elif kind in _REPEATS:
            yield from _literals(list(value[2]))
