"""A mutation loop without coverage, for Pythons without atheris and for bounded, repeatable runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

MAX_INPUT = 4096
_TOKENS = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n",
    b"\1PKT\0",
    b"\1PKT\1",
    b"\xff\xff\xff\xff",
    b"-1",
    b"4294967296",
]
_REPEATED = [b" ", b"\t", b"(", b"[", b"{", b'"', b"\\", b"<", b"\0", b"9", b","]


def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with one to four changes."""
    data = random.choice(seeds) if seeds else b""
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.randrange(1, 9))
        match random.randrange(7):
            case 0:
                data = data[:start] + random.randbytes(random.randrange(1, 9)) + data[end:]
            case 1:
                data = data[:start] + random.choice(_TOKENS) + data[start:]
            case 2:
                data = data[:start] + data[end:]
            case 3:
                data = data[:start] + data[start:end] * random.randrange(2, 20) + data[end:]
            case 4:
                other = random.choice(seeds) if seeds else b""
                data = data[:start] + other[random.randrange(len(other) + 1) :]
            case 5:
                data = (
                    data[:start] + random.choice(_REPEATED) * random.randrange(300) + data[start:]
                )
            case _:
                bit = bytes((data[start] ^ 1 << random.randrange(8),)) if start < len(data) else b""
                data = data[:start] + bit + data[start + 1 :]
    return data[:MAX_INPUT]


def run(
    target: Callable[[bytes], None], seeds: Sequence[bytes], random: Random, count: int
) -> None:
    """Run the target on its seeds and on mutations of them; an input that fails is named in the error."""
    for data in seeds:
        target(data)
    for _ in range(count):
        data = mutate(random, seeds)
        try:
            target(data)
        except Exception as error:
            error.add_note(f"input: {data.hex()}")
            raise
