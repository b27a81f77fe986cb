"""Every program that tests and lab run comes from a package that `./dev packages` lists, or a dependency.

PROGRAMS is the declared list. The sources are parsed to keep it complete: the programs are the
first words of argument vectors and of the commands in shell scripts.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from lab.releases import ABSENT, parse_absent, why_absent

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT.joinpath("tests/packaging/programs.txt").read_text().split()
#: programs that virtme-ng runs to boot the virtual machine
VIRTME = ("busybox", "file", "modprobe", "qemu-system-x86_64")
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/amanda:/usr/libexec"

_RUNNERS = {"run", "popen", "Popen", "check_output", "Process", "Program", "enter"}
_NAMESPACES = {"c", "c2", "g", "s"}
_NAMESPACE_VARIABLES = {"ns", "client", "name", "end", "source"}
#: these run the program that their arguments name
_WRAPPERS = {"env", "timeout", "nsenter", "unshare", "exec", "nice", "setpriv", "time"}
_PROGRAM = re.compile(r"[a-zA-Z_][\w.+-]+\Z")
_COMMAND_LINE = re.compile(r"[a-z][\w.-]+ --?[a-z0-9]")
_OURS = {"fwhelpers"}  # from the virtual environment or from our packages
_BUILTINS = (
    "set if then else elif fi for while until do done case esac in true false exit echo printf",
    "trap exec export cd local shift read test wait kill ulimit umask unset source eval return",
    "break continue command type : [ [[ { }",
)
_SHELL_WORDS = {word for line in _BUILTINS for word in line.split()}


def _sources() -> list[Path]:
    folders = (
        "tests/lab",
        "tests/vm",
        "tests/packaging",
        "tests/firewalld",
        "tests/support",
        "benchmarks",
    )
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if path != Path(__file__)]


def _literals(node: ast.expr) -> Iterator[str | None]:
    """Yield the words of an argument list, None for those that are not constant."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Tuple(elts=items) | ast.List(elts=items):
            for item in items:
                yield from _literals(item)
        case ast.Starred(value=inner):
            yield from _literals(inner)
        case ast.JoinedStr(values=parts):
            yield "".join(p.value if isinstance(p, ast.Constant) else "0" for p in parts)
        case _:
            yield None


def _argument_vector(arguments: list[ast.expr]) -> list[str | None]:
    """Return the words of a call without the namespace in which the program runs."""
    match arguments:
        case [ast.Name(id=name) | ast.Attribute(attr=name), *rest] if name in _NAMESPACE_VARIABLES:
            arguments = rest
    words = [word for argument in arguments for word in _literals(argument)]
    return words[1:] if words and words[0] in _NAMESPACES else words


def _programs_of(words: list[str | None]) -> Iterator[str]:
    """Yield the program of an argument vector; behind a wrapper, also the program that it runs."""
    for position, word in enumerate(words):
        if word is None or not _PROGRAM.match(word):
            return
        yield word
        if word in ("sh", "bash") and "-c" in words[position:]:
            script = words[words.index("-c", position) + 1 :][:1]
            yield from _shell_commands(script[0] or "" if script else "")
        if word not in _WRAPPERS:
            return
        following = filter(None, words[position + 1 :])
        rest = [w for w in following if not (w.startswith("-") or "=" in w or w[:1].isdigit())]
        yield from _programs_of(list(rest))
        return


def _shell_commands(script: str) -> Iterator[str]:
    script = re.sub(r"'[^']*'|\"[^\"$]*\"", "0", script)
    script = re.sub(r"(?m)(^|\s)#.*$", "", script)
    for command in re.split(
        r"\$\(|[;|&\n(){}]+|\b(?:if|then|else|do|while|until|exec|!)\s", script
    ):
        words = [w for w in command.split() if not re.match(r"\w+=|[<>]|\d[<>]", w)]
        for word in words[:1]:
            if _PROGRAM.match(word) and word not in _SHELL_WORDS:
                yield from _programs_of(list(words))


def _mentioned(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in _RUNNERS:
                yield from _programs_of(_argument_vector(node.args))
            case ast.Tuple() | ast.List():
                words = _argument_vector(node.elts)
                if any(word and word.startswith("-") for word in words[1:]):
                    yield from _programs_of(words)
            case ast.Constant() | ast.JoinedStr():
                text = next(_literals(node)) or ""
                if text.startswith("\nset -e\n") or _COMMAND_LINE.match(text):
                    yield from _shell_commands(text)


@cache
def _depended_on() -> frozenset[str]:
    """Return the packages that a minimal system and those of ./dev bring, by their dependencies."""
    form = "${Package}\t${Essential}\t${Priority}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    rows = subprocess.run(
        ["dpkg-query", "-Wf", form], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    dependencies: dict[str, str] = {}
    providers: dict[str, set[str]] = {}
    pending = ["apt"]
    for package, essential, priority, provides, depends in (row.split("\t") for row in rows):
        dependencies[package] = depends
        for name in re.findall(r"[a-z0-9][a-z0-9+.-]+", re.sub(r"\([^)]*\)", "", provides)):
            providers.setdefault(name, set()).add(package)
        if essential == "yes" or priority == "required":
            pending.append(package)
    pending += subprocess.run(
        [ROOT / "dev", "packages"], capture_output=True, text=True, check=True
    ).stdout.split()
    closure: set[str] = set()
    while pending:
        package = pending.pop()
        if package in closure:
            continue
        closure.add(package)
        for dependency in dependencies.get(package, "").split(","):
            # apt installs the first alternative where nothing else is there
            alternative = re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", dependency)
            if alternative:
                name = alternative[1]
                pending += [name] if name in dependencies else providers.get(name, ())
    return frozenset(closure)


def _packages_with(program: Path) -> set[str]:
    """Return the packages that contain a file, by each of its names in a merged /usr."""
    names = {str(program), str(program.resolve())}
    names |= {name.removeprefix("/usr") for name in names} | {"/usr" + name for name in names}
    searched = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True, check=False)
    owners = (line.rpartition(": ")[0] for line in searched.stdout.splitlines())
    return {name.partition(":")[0] for owner in owners for name in owner.split(", ")}


@pytest.mark.parametrize("source", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_programs_of_each_source_are_declared(source: Path) -> None:
    assert sorted(set(_mentioned(source)) - {*PROGRAMS, *_OURS}) == []


def test_each_declared_program_is_run_somewhere() -> None:
    mentioned = {name for source in _sources() for name in _mentioned(source)}
    assert sorted(set(PROGRAMS) - mentioned) == []


@pytest.mark.parametrize("program", sorted({*PROGRAMS, *VIRTME}))
def test_declared_program_comes_from_a_package_that_dev_installs(program: str) -> None:
    if why := why_absent(program):
        pytest.skip(why)
    path = shutil.which(program, path=SEARCH_PATH)
    assert path is not None, f"{program} is in no package that ./dev packages lists"
    packages = _packages_with(Path(path))
    assert packages & _depended_on(), f"{path} is in {packages}, which ./dev does not install"


def test_parser_of_sources_finds_programs_in_vectors_wrappers_and_scripts() -> None:
    assert list(_programs_of(["timeout", "5", "env", "A=b", "gssdp-discover", "-n"])) == [
        "timeout", "env", "gssdp-discover",
    ]  # fmt: skip
    assert list(_programs_of(["sh", "-c", "set -e\nif mount -t tmpfs; then rm -f x | wc; fi"])) == [
        "sh", "mount", "rm", "wc",
    ]  # fmt: skip


def test_absent_packages_are_among_those_of_dev() -> None:
    absent = parse_absent(ABSENT.read_text(), "trixie")
    listed = re.findall(r"[a-z][a-z0-9.+-]+", (ROOT / "dev").read_text())
    assert set(absent.values()) - set(listed) == set()
    assert parse_absent(ABSENT.read_text(), "bookworm") == {}


def test_release_lacks_the_programs_of_its_absent_packages() -> None:
    text = "# package, releases, programs\nfoo trixie,sid food foo\nbar sid bar\nbaz sid =quz\n"
    assert parse_absent(text, "trixie") == {"food": "foo", "foo": "foo"}
    assert parse_absent(text, "sid") == {"food": "foo", "foo": "foo", "bar": "bar"}
    assert parse_absent(text, "id") == {}
