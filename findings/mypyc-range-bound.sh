#!/bin/bash
# Title: a compiled `for` loop over range(n) reads n anew in each round, and assigns the variable even if it is empty.
# Version: mypy 2.4.1, CPython 3.11
# Guess: as interpreted: range() is called once, and the variable of a loop without a round stays as it was.
# Seen: a loop that lowers n ends early, one that raises it goes on; after an empty range the variable is 0
#       (2026-11-30). range(len(items)) with a list that grows is not affected.
# Here: no loop of the compiled modules assigns the names in its range, or reads the variable behind the loop
#       (docs/decisions/0084-compiled-with-mypyc.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips mypy==2.4.1 setuptools==80.9.0
command -v gcc >/dev/null || cannot "gcc is missing"
cd "$work" || exit 2
cat >loops.py <<'END'
def rounds(n: int) -> int:
    count = 0
    for _ in range(n):
        n -= 1
        count += 1
    return count


def variable(n: int) -> int:
    i = -1
    for i in range(n):
        pass
    return i
END
show="import loops; print('10 rounds:', loops.rounds(10), 'empty:', loops.variable(0))"
expect "interpreted" "10 rounds: 10 empty: -1" "$("$python" -c "$show")"
"$work/venv/bin/mypyc" loops.py >"$work/mypyc.log" 2>&1 || cannot "mypyc: $(tail -n 1 "$work/mypyc.log")"
expect "compiled" "10 rounds: 5 empty: 0" "$("$python" -c "$show")"
finish
