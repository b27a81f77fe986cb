#!/bin/bash
# Title: A frozen dataclass that mypyc compiles can be pickled, but not unpickled.
# Version: mypy 2.4.1, CPython 3.11
# Guess: as interpreted, where unpickling fills the instance's __dict__ and asks nobody.
# Seen: pickle sets the attributes of the compiled class one by one, and the class refuses that
#       (2026-11-29). A class that is not frozen has no such problem.
# Here: engine/guard.py's Limits has a __reduce__; the manager sends it to the workers.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips mypy==2.4.1 setuptools==80.9.0
command -v gcc >/dev/null || cannot "gcc is missing"
cd "$work" || exit 2
cat >limits.py <<'END'
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    rate: int = 100
END
cat >load.py <<'END'
import pickle

from limits import Limits

data = pickle.dumps(Limits(7))
try:
    print(pickle.loads(data))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
END
expect "interpreted" "Limits(rate=7)" "$("$python" load.py)"
"$work/venv/bin/mypyc" limits.py >"$work/mypyc.log" 2>&1 || cannot "mypyc: $(tail -n 1 "$work/mypyc.log")"
expect "compiled" "FrozenInstanceError: cannot assign to field 'rate'" "$("$python" load.py)"
finish
