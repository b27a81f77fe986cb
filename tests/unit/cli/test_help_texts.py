"""The examples in the help texts are valid commands."""

from __future__ import annotations

import re
import shlex

import pytest

from fwhelpers.cli import help_texts, parser

TEXTS = {name: text for name, text in vars(help_texts).items() if name.isupper()}
COMMAND = re.compile(r"^  (?:source <\()?fwhelpers (.*)$", re.MULTILINE)
EXAMPLES = [
    re.split(r" {2,}| [|>] |\)", line)[0]
    for text in TEXTS.values()
    for line in COMMAND.findall(text.replace("\\\n", " "))
]


@pytest.mark.parametrize("name", TEXTS)
def test_lines_fit_a_terminal(name: str) -> None:
    assert max(map(len, TEXTS[name].splitlines())) <= 80


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_parsed(example: str) -> None:
    assert parser.build().parse_args(shlex.split(example)).target
