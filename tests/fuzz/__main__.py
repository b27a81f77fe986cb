"""`python -m fuzz [TARGET] [SECONDS]`: fuzz one target, or all in turn, each for so many seconds (30).

Guided by coverage with atheris; without it (there is no wheel for every Python) with plain mutations, and says so.
Inputs that broke an invariant are kept in build/fuzz. Exits with 1 if there are any.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
CRASHES = ROOT / "build/fuzz"
SECONDS = 30
PATHS = ["tests", "tests/support", "tests/plugins"]
LIBRARY = ["fwhelpers", "fwhelpers_plugins"]


def with_atheris(name: str, seconds: int) -> int:
    """Fuzz in a child, as libFuzzer ends its process. Return the number of executions, or -1 if it failed."""
    CRASHES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "fuzz", "--child", name, corpus]
        options = ["-max_len=4096", "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1"]
        options += [f"-max_total_time={seconds}", f"-artifact_prefix={CRASHES}/{name}-"]
        child = subprocess.run(
            [*command, *options], capture_output=True, text=True, errors="replace"
        )
    executions = re.search(r"number_of_executed_units: (\d+)", child.stderr)
    if child.returncode:
        print(child.stdout[-4000:], child.stderr[-4000:], sep="\n", file=sys.stderr)
        return -1
    return int(executions[1]) if executions else 0


def child(name: str, corpus: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=LIBRARY):
        from fuzz import targets
    target = targets.all_targets()[name]
    for number, data in enumerate(targets.seeds(name)):
        (Path(corpus) / str(number)).write_bytes(data)
    atheris.Setup([sys.argv[0], *options, corpus], target)
    atheris.Fuzz()


def without_atheris(name: str, seconds: int) -> int:
    from fuzz import mutate, targets

    target, seeds = targets.all_targets()[name], targets.seeds(name)
    end, executions, random = time.monotonic() + seconds, 0, Random()
    while time.monotonic() < end:
        data = mutate.mutate(random, seeds)
        try:
            target(data)
        except Exception as error:
            CRASHES.mkdir(parents=True, exist_ok=True)
            (CRASHES / f"{name}-{random.getrandbits(64):x}").write_bytes(data)
            print(f"{name}: {type(error).__name__}: {error}\ninput: {data.hex()}", file=sys.stderr)
            return -1
        executions += 1
    return executions


def names() -> list[str]:
    from fuzz import targets

    return list(targets.all_targets())


def main(arguments: list[str]) -> int:
    sys.path[:0] = [str(ROOT / path) for path in PATHS]
    if arguments[:1] == ["--child"]:
        child(arguments[1], arguments[2], arguments[3:])
        return 0
    os.environ["PYTHONPATH"] = os.pathsep.join(str(ROOT / path) for path in PATHS)
    chosen = [argument for argument in arguments if not argument.isdecimal()]
    seconds = next((int(argument) for argument in arguments if argument.isdecimal()), SECONDS)
    existing = names()
    if unknown := set(chosen) - set(existing):
        print(
            f"no target {', '.join(sorted(unknown))}; there are {', '.join(existing)}",
            file=sys.stderr,
        )
        return 2
    try:
        import atheris  # noqa: F401

        fuzz = with_atheris
        print("guided by coverage (atheris)")
    except ImportError:
        fuzz = without_atheris
        print("atheris is not installed for this Python: plain mutations, not guided by coverage")
    total, failures = 0, []
    for name in chosen or existing:
        executions = fuzz(name, seconds)
        print(f"{name}: {'FAILED' if executions < 0 else executions}", flush=True)
        total += max(executions, 0)
        failures += [name] if executions < 0 else []
    print(f"{total} executions, {len(failures)} of {len(chosen or existing)} targets failed")
    if failures:
        print(f"inputs are in {CRASHES}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
