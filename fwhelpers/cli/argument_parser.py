"""The parser of the command line's arguments: its errors suggest what was meant, its help has a width of 80."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += 2  # argparse does not count the indentation of commands


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest command, option or word for a misspelled one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Formatter, **options})

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        arguments, rest = self.parse_known_args(args, namespace)
        if rest:
            command: Parser = getattr(arguments, "parser", self)
            command._reject(rest[0])
        return arguments

    def _reject(self, word: str) -> NoReturn:
        if word.startswith("-"):
            option = word.partition("=")[0]
            options = [o for action in self._actions for o in action.option_strings]
            self.fail(f"unknown option {option}", _nearest(option, options))
        self.fail(f"unexpected argument {word!r}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            kind = "command" if isinstance(action, argparse._SubParsersAction) else "value"
            hint = _nearest(str(value), choices) or f"{kind}s: {', '.join(choices)}"
            self.fail(f"unknown {kind} {value!r}", hint)

    def error(self, message: str) -> NoReturn:
        self.fail(message)

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """Print usage, error and hint; exit with status 2."""
        hint_line = f"hint: {hint}\n" if hint else ""
        self.exit(2, f"{self.format_usage()}fwhelpers: error: {message}\n{hint_line}")


def _nearest(word: str, choices: Iterable[str]) -> str:
    from difflib import get_close_matches  # imported for bad input only

    matches = get_close_matches(word, list(choices), 1, 0.6)
    return f"did you mean {matches[0]}?" if matches else ""
