#!/bin/bash
# Title: a compiled generator that is not run to its end never runs its `finally`.
# Version: mypy 2.4.1, CPython 3.11
# Guess: when the generator is freed, GeneratorExit is raised in it, so that `finally` and `with` clean up.
# Seen: nothing runs when it is freed, so a file or lock in it stays as it is: any(), next() and a loop that
#       returns early leave it open. close() works (2026-11-30).
# Here: the compiled modules have no generator with `finally` or `with`
#       (docs/decisions/0084-compiled-with-mypyc.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips mypy==2.4.1 setuptools==80.9.0
command -v gcc >/dev/null || cannot "gcc is missing"
cd "$work" || exit 2
cat >numbers_.py <<'END'
from collections.abc import Iterator


def numbers() -> Iterator[int]:
    try:
        yield 1
        yield 2
    finally:
        print("finally", end=" ")
END
cat >show.py <<'END'
import gc

from numbers_ import numbers

for title, consume in (
    ("list", lambda: list(numbers())),
    ("any", lambda: any(numbers())),
    ("next", lambda: next(numbers())),
    ("close", lambda: (generator := numbers()).__next__() and generator.close()),
):
    print(f"{title}:", end=" ")
    consume()
    gc.collect()
print()
END
expect "interpreted" "list: finally any: finally next: finally close: finally" "$("$python" show.py | sed 's/ *$//')"
"$work/venv/bin/mypyc" numbers_.py >"$work/mypyc.log" 2>&1 || cannot "mypyc: $(tail -n 1 "$work/mypyc.log")"
expect "compiled" "list: finally any: next: close: finally" "$("$python" show.py | sed 's/ *$//')"
finish
