#!/bin/bash
# Title: a compiled slice of bytes whose end precedes its start raises SystemError.
# Version: mypy 2.4.1, CPython 3.11
# Guess: b"", as for every sequence of Python, and as mypyc does for str, list and bytearray.
# Seen: SystemError: Negative size passed to PyBytes_FromStringAndSize; only for bytes, and only if the start lies
#       within them: data[7:5] of three bytes is empty (2026-11-30).
# Here: parsers are not compiled. No slice of the compiled engine was seen whose ends can be in that order
#       (docs/decisions/0084-compiled-with-mypyc.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips mypy==2.4.1 setuptools==80.9.0
command -v gcc >/dev/null || cannot "gcc is missing"
cd "$work" || exit 2
cat >slices.py <<'END'
def of_bytes(data: bytes, start: int, end: int) -> bytes:
    return data[start:end]


def of_text(data: str, start: int, end: int) -> str:
    return data[start:end]
END
cat >show.py <<'END'
import slices

for start, end in ((2, 1), (7, 5)):
    for function, data in ((slices.of_bytes, b"abc"), (slices.of_text, "abc")):
        try:
            result = repr(function(data, start, end))
        except SystemError as error:
            result = f"SystemError: {error}"
        print(f"{data!r}[{start}:{end}] {result}")
END
expect "interpreted" "b'abc'[2:1] b''
'abc'[2:1] ''
b'abc'[7:5] b''
'abc'[7:5] ''" "$("$python" show.py)"
"$work/venv/bin/mypyc" slices.py >"$work/mypyc.log" 2>&1 || cannot "mypyc: $(tail -n 1 "$work/mypyc.log")"
expect "compiled" "b'abc'[2:1] SystemError: Negative size passed to PyBytes_FromStringAndSize
'abc'[2:1] ''
b'abc'[7:5] b''
'abc'[7:5] ''" "$("$python" show.py)"
finish
