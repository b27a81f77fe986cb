#!/bin/bash
# Title: mypyc ignores `from` in `raise ... from ...`: the exception has no cause, and `from None` hides nothing.
# Version: mypy 2.4.1, CPython 3.11
# Guess: __cause__ and __suppress_context__ as interpreted; mypyc's list of differences does not name them.
# Seen: __cause__ is None and __suppress_context__ false; only __context__ is set. A traceback therefore says "During
#       handling of the above exception" in place of "direct cause", also where the source says `from None` (2026-11-30).
# Here: nothing in fwhelpers reads __cause__. Logs of a compiled daemon can show a context that the source suppresses.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips mypy==2.4.1 setuptools==80.9.0
command -v gcc >/dev/null || cannot "gcc is missing"
cd "$work" || exit 2
cat >chain.py <<'END'
def chained() -> None:
    try:
        raise ValueError("first")
    except ValueError as error:
        raise KeyError("second") from error


def hidden() -> None:
    try:
        raise ValueError("first")
    except ValueError:
        raise KeyError("second") from None
END
cat >show.py <<'END'
import chain

for function in (chain.chained, chain.hidden):
    try:
        function()
    except KeyError as error:
        print(f"{function.__name__}: {error.__cause__!r}, {error.__context__!r}, {error.__suppress_context__}")
END
expect "interpreted" "chained: ValueError('first'), ValueError('first'), True
hidden: None, ValueError('first'), True" "$("$python" show.py)"
"$work/venv/bin/mypyc" chain.py >"$work/mypyc.log" 2>&1 || cannot "mypyc: $(tail -n 1 "$work/mypyc.log")"
expect "compiled" "chained: None, ValueError('first'), False
hidden: None, ValueError('first'), False" "$("$python" show.py)"
finish
