"""`fwhelpers completion SHELL`: completion scripts made of the parser itself.

packaging/completion/ holds what this prints; a test compares.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fwhelpers.cli import parser


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its long form, and what follows it."""

    flag: str
    help: str
    value: str  #: "", "file" or "word"


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its options, and the words or files that it takes."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]
    files: bool

    @property
    def flags(self) -> list[str]:
        """Its options' long forms."""
        return [option.flag for option in self.options]


def show(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(script(arguments.shell), end="")
    return 0


def script(shell: str) -> str:
    """The completion script for "bash", "zsh" or "fish"."""
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "\n".join(make(commands())) + "\n"


def commands() -> list[Command]:
    """The parser's tree as plain data."""
    found = []
    for action in parser.build()._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found = [_command(n, helps[n], sub) for n, sub in action.choices.items()]
    return found


def _command(name: str, text: str, sub: argparse.ArgumentParser) -> Command:
    options = tuple(_option(a) for a in sub._actions if a.option_strings)
    others = [a for a in sub._actions if not a.option_strings]
    words = tuple(str(word) for a in others for word in a.choices or ())
    return Command(name, text, options, words, any(a.type is Path for a in others))


def _option(action: argparse.Action) -> Option:
    value = "" if action.nargs == 0 else "file" if action.type is Path else "word"
    text = " ".join((action.help or "").split()).split(" (")[0]
    return Option(action.option_strings[-1], text, value)


def _bash(tree: list[Command]) -> Iterator[str]:
    valued = {o.flag: o.value for c in tree for o in c.options if o.value}
    files = [flag for flag, value in valued.items() if value == "file"]
    words = [flag for flag, value in valued.items() if value == "word"]
    yield "# bash completion for fwhelpers, made by `fwhelpers completion bash`"
    yield "_fwhelpers() {"
    yield '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command="" word words'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield f"        case $word in {'|'.join(c.name for c in tree)}) command=$word; break ;; esac"
    yield "    done"
    yield "    case $prev in"
    yield f"        {'|'.join(files)}) compopt -o filenames"
    yield '            mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;'
    yield f"        {'|'.join(words)}) return ;;"
    yield "    esac"
    yield "    case $command in"
    yield f'        "") words="{" ".join([*(c.name for c in tree), "--help", "--version"])}" ;;'
    for command in tree:
        yield f'        {command.name}) words="{" ".join([*command.words, *command.flags])}" ;;'
    yield "    esac"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")'
    takers = "|".join(c.name for c in tree if c.files)
    yield f"    if [[ $command == @({takers}) && $cur != -* ]]; then"
    yield "        compopt -o filenames"
    yield '        mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
    yield "    fi"
    yield "}"
    yield "complete -F _fwhelpers fwhelpers"


def _zsh(tree: list[Command]) -> Iterator[str]:
    yield "#compdef fwhelpers"
    yield "# made by `fwhelpers completion zsh`"
    yield "_fwhelpers() {"
    yield "    local line state"
    yield "    local -a commands=("
    for command in tree:
        yield f"        {_quote(f'{command.name}:{command.help}')}"
    yield "    )"
    yield "    _arguments -C '(-h --help)'{-h,--help}'[show help]' '--version[show the version]' \\"
    yield "        '1: :->command' '*:: :->rest'"
    yield "    case $state in"
    yield "        command) _describe command commands ;;"
    yield "        rest) case $line[1] in"
    for command in tree:
        yield f"            {command.name}) _arguments {' '.join(_zsh_arguments(command))} ;;"
    yield "        esac ;;"
    yield "    esac"
    yield "}"
    yield "# both as an autoloaded function and when sourced"
    yield 'if [[ $funcstack[1] == _fwhelpers ]]; then _fwhelpers "$@"; else compdef _fwhelpers fwhelpers; fi'


def _zsh_arguments(command: Command) -> Iterator[str]:
    follow = {"": "", "file": ":file:_files", "word": ":value:"}
    for option in command.options:
        text = option.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
        yield _quote(f"{option.flag}[{text}]{follow[option.value]}")
    if command.words:
        yield _quote(f"1:word:({' '.join(command.words)})")
    if command.files:
        yield _quote("1:file:_files")


def _fish(tree: list[Command]) -> Iterator[str]:
    yield "# fish completion for fwhelpers, made by `fwhelpers completion fish`"
    yield "complete -c fwhelpers -f"
    first = "-n __fish_use_subcommand"
    yield f"complete -c fwhelpers {first} -l help -d 'show help'"
    yield f"complete -c fwhelpers {first} -l version -d 'show the version'"
    for command in tree:
        yield f"complete -c fwhelpers {first} -a {command.name} -d {_quote(command.help)}"
    for command in tree:
        seen = _quote(f"__fish_seen_subcommand_from {command.name}")
        for option in command.options:
            value = {"": "", "file": " -rF", "word": " -x"}[option.value]
            name = option.flag.removeprefix("--")
            yield f"complete -c fwhelpers -n {seen} -l {name}{value} -d {_quote(option.help)}"
        if command.words:
            yield f"complete -c fwhelpers -n {seen} -a {_quote(' '.join(command.words))}"
        if command.files:
            yield f"complete -c fwhelpers -n {seen} -F"


def _quote(text: str) -> str:
    """A single-quoted shell word; fish reads it alike as long as no backslash is in it."""
    return "'" + text.replace("'", "'\\''") + "'"
