"""What `./dev release` checks before it builds, and what its archive and wheel contain."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from release import __main__ as command
from release import checks, compare
from release.build import Builder, Commit, Surroundings
from shipped import ROOT, need, run

import fwhelpers

FILES = sorted({place.split(",")[0] for place in checks.PLACES})
Change = Callable[[Path], object]


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git commits without the user's configuration."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Nobody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "nobody@example.org")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout of the files that name the version."""
    need("git")
    root = tmp_path / "tree"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    run("git", "-C", root, "init", "--quiet")
    commit(root)
    return root


def commit(root: Path) -> None:
    run("git", "-C", root, "add", "--all")
    run("git", "-C", root, "commit", "--quiet", "--allow-empty", "--message", "all")


def replace(name: str, old: str, new: str) -> Change:
    """Return a change of a file of a tree."""

    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return change


def test_all_places_name_the_same_version() -> None:
    assert checks.versions(ROOT) == dict.fromkeys(checks.PLACES, fwhelpers.__version__)


def test_the_documentation_shows_this_version() -> None:
    files = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/pictures/*.svg")]
    shown = {
        version
        for file in files
        for version in re.findall(r'(?:\bfwhelpers(?: |&#160;)|version=&quot;)(\d+\.\d+\.\d+)', file.read_text())
    }  # fmt: skip
    assert shown == {fwhelpers.__version__}


def test_the_changelog_has_an_entry() -> None:
    checks.check_changelog(ROOT, fwhelpers.__version__)


def test_a_good_tree_is_not_refused(tree: Path) -> None:
    assert checks.check(tree) == fwhelpers.__version__


VERSION = fwhelpers.__version__
DISAGREEMENTS = {
    "fwhelpers/__init__.py": replace("CHANGELOG.md", f"## {VERSION}", f"## 9.0.0 — 2026-01-01\n\nNew.\n\n## {VERSION}"),
    "CHANGELOG.md": replace("CHANGELOG.md", f"## {VERSION}", f"## 9.0.0\n\n## {VERSION}"),
    "packaging/debian/changelog": replace("packaging/debian/changelog", VERSION, "9.0.0"),
    "packaging/rpm/fwhelpers.spec": replace("packaging/rpm/fwhelpers.spec", VERSION, "9.0.0"),
    "packaging/rpm/fwhelpers.spec, %changelog": replace("packaging/rpm/fwhelpers.spec", f" - {VERSION}-", " - 9.0.0-"),
}  # fmt: skip


def test_each_place_has_a_case() -> None:
    assert DISAGREEMENTS.keys() == checks.PLACES.keys()


@pytest.mark.parametrize("place", checks.PLACES)
def test_versions_that_disagree_are_refused(tree: Path, place: str) -> None:
    DISAGREEMENTS[place](tree)
    commit(tree)
    with pytest.raises(checks.Refusal, match=re.escape("__init__.py has version")) as refusal:
        checks.check(tree)
    assert place.replace("fwhelpers/__init__.py", "CHANGELOG.md") in str(refusal.value)
    assert "9.0.0" in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replace("CHANGELOG.md", f"## {VERSION} ", "## 0.1.9 "), f"no entry for {VERSION}"),
        (replace("CHANGELOG.md", f"## {VERSION} ", f"## {VERSION}1 "), f"no entry for {VERSION}"),
        (lambda root: (root / "CHANGELOG.md").write_text(f"# Changes\n\n## {VERSION} — unreleased\n\nNew.\n"),
            "has no date"),
        (lambda root: (root / "CHANGELOG.md").write_text(f"# Changes\n\n## {VERSION} — 2026-01-01\n\n## 0\n\nNew.\n"),
            "is empty"),
    ],
)  # fmt: skip
def test_a_changelog_without_the_entry_is_refused(tree: Path, change: Change, reason: str) -> None:
    change(tree)
    commit(tree)
    with pytest.raises(checks.Refusal, match=re.escape(reason)):
        checks.check(tree)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda root: (root / "new").touch(), "new"),
        (replace("CHANGELOG.md", "# Changes", "# Changed"), "CHANGELOG.md"),
        (lambda root: (root / "packaging/rpm/fwhelpers.spec").chmod(0o755), "fwhelpers.spec"),
    ],
)
def test_uncommitted_changes_are_refused(tree: Path, change: Change, named: str) -> None:
    change(tree)
    with pytest.raises(checks.Refusal, match=rf"uncommitted changes: \S*{named}\Z"):
        checks.check(tree)


def test_what_is_no_checkout_is_refused(tree: Path) -> None:
    shutil.rmtree(tree / ".git")
    with pytest.raises(checks.Refusal, match="git status failed: fatal: not a git repository"):
        checks.check(tree)


def test_a_refusal_is_one_line_and_a_status(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "new").touch()
    (tree / "newer").touch()
    monkeypatch.setattr(command, "ROOT", tree)
    for arguments in ([], ["--check"]):
        assert command.main(arguments) == 1
        assert capsys.readouterr().err == (
            "release: error: the tree has uncommitted changes: new and 1 more\n"
        )


def test_missing_programs_are_named_by_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(checks.Refusal) as refusal:
        command.check_programs()
    assert set(str(refusal.value).split(": ")[1].split()) == set(command.PROGRAMS.values())


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "same").write_text("1")
        (folder / "other").write_text(folder.name)
        (folder / f"only-{folder.name}").touch()
    assert compare.differing(first, first) == []
    assert compare.differing(first, second) == ["only-first", "only-second", "other"]


def test_sha256sum_reads_the_checksums(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"1")
    (tmp_path / "c").write_bytes(b"2")
    text = compare.sums(tmp_path)
    assert run("sha256sum", "--check", "--strict", "-", cwd=tmp_path, input=text).count("OK") == 2


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The archive and the plain wheel of HEAD, built twice as ./dev release does."""
    need("git", "tar", "gzip")
    head, time = run("git", "-C", ROOT, "log", "-1", "--format=%H %ct").split()
    head_commit = Commit(ROOT, head, fwhelpers.__version__, int(time))
    clock = ("faketime", "-m", "-f", "+400d") if shutil.which("faketime") else ()
    places = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("another-one")
    around = (
        Surroundings(places[0] / "b", 0o022, "UTC0"),
        Surroundings(places[1] / "b", 0o077, "OTHER-13:45", clock),
    )
    configurations = "", "[tar]\n umask = 0\n[core]\n autocrlf = true\n"
    with pytest.MonkeyPatch.context() as patch:
        for build, text in zip(around, configurations, strict=True):
            (build.folder.parent / "gitconfig").write_text(text)
            patch.setenv("GIT_CONFIG_GLOBAL", str(build.folder.parent / "gitconfig"))
            builder = Builder(head_commit, build, (), Path())
            builder.files.mkdir(parents=True)
            builder.archive()
            builder.wheel(Path(sys.prefix), "plain", {"FWHELPERS_COMPILE": "0"})
    return [build.folder / "files" for build in around]


def test_two_builds_are_the_same(builds: list[Path]) -> None:
    assert len(list(builds[0].iterdir())) == 2
    assert compare.differing(*builds) == []


def test_the_archive_has_the_files_of_the_commit(builds: list[Path]) -> None:
    (archive,) = builds[0].glob("*.tar.gz")
    prefix = f"fwhelpers-{fwhelpers.__version__}/"
    assert archive.name == f"{prefix[:-1]}.tar.gz"
    names = run("tar", "--list", "--file", archive).splitlines()
    committed = run("git", "-C", ROOT, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    files = {name for name in names if not name.endswith("/")}
    assert files == {prefix + name for name in committed}


def test_the_wheel_has_nothing_but_modules_data_and_metadata(builds: list[Path]) -> None:
    (wheel,) = builds[0].glob("*-py3-none-any.whl")
    metadata = f"fwhelpers-{fwhelpers.__version__}.dist-info/"
    kinds = (
        r"fwhelpers(_plugins)?/.*\.py|fwhelpers(_plugins)?/py\.typed|fwhelpers/dbus/xml/[\w.]+\.xml"
    )
    names = {name for name in ZipFile(wheel).namelist() if not name.startswith(metadata)}
    assert {name for name in names if not re.fullmatch(kinds, name)} == set()
    assert len(names) > 300


def imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, by their full names."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def load_setup(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return setup.py as a module; it has built nothing."""
    spec = importlib.util.spec_from_file_location("our_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    spec.loader.exec_module(module)
    return module


def test_modules_are_compiled_with_python_s_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """CFLAGS, which Debian's and Fedora's builds set, replaces them in newer setuptools."""
    shared = ["-O3"]
    extensions = [SimpleNamespace(extra_compile_args=shared) for _ in range(2)]
    monkeypatch.setattr("mypyc.build.mypycify", lambda *_, **__: extensions)
    for module in load_setup(monkeypatch).extensions()["ext_modules"]:
        assert module.extra_compile_args[:3] == ["-O3", "-fwrapv", "-DNDEBUG"]
        assert len(module.extra_compile_args) == 4


def test_an_isolated_compiled_build_has_what_mypyc_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """mypyc follows all imports of the compiled modules; pip's build environment has what setup.py asks for."""
    monkeypatch.chdir(ROOT)
    script = "import sys; sys.modules['mypyc'] = None; from setuptools import build_meta; " \
        "print('REQUIRED', *build_meta.get_requires_for_build_wheel())"  # fmt: skip
    printed = run(
        sys.executable, "-c", script, env={**os.environ, "FWHELPERS_COMPILE": "1"}
    ).splitlines()
    (required,) = (line.split()[1:] for line in printed if line.startswith("REQUIRED"))
    module = load_setup(monkeypatch)

    pending, visited, others = [ROOT / name for name in module.sources()], set(), set()
    while pending:
        file = pending.pop()
        if file in visited:
            continue
        visited.add(file)
        for name in imports(file):
            if name.partition(".")[0] == "fwhelpers":
                path = ROOT / name.replace(".", "/")
                pending += [
                    p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()
                ]
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                others.add(name.partition(".")[0])
    assert "pluggy" in others
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    skipped = {name.partition(".")[0] for row in overrides for name in row["module"]}
    assert others - skipped <= {re.split(r"\W", requirement)[0] for requirement in required}


def test_the_locks_have_what_is_asked_for() -> None:
    folder = ROOT / "packaging/release"
    locked = (folder / "tools.txt").read_text()
    for line in (folder / "tools.in").read_text().splitlines():
        assert line.startswith("#") or re.search(rf"^{re.escape(line)} ", locked, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["top"]]
    runtime = (folder / "runtime.txt").read_text()
    for requirement in asked:
        assert f"\n{re.split('[>=]', requirement)[0]}==" in f"\n{runtime}"
    for text in (locked, runtime):
        pins = [line for line in text.splitlines() if line[:1].isalnum()]
        assert len(pins) == len(
            re.findall(r"^\S+==\S+.*\\\n    --hash=sha256:", text, re.MULTILINE)
        )


def test_dev_installs_the_programs_packages() -> None:
    """What `./dev release` installs contains what it asks for."""
    line = re.search(
        r"^release\(\) \{ echo ([\w ]+) .*build; \}$", (ROOT / "dev").read_text(), re.M
    )
    assert line is not None
    needed = {*run(ROOT / "packaging/build-deb", "--needs").split(), *line[1].split()}
    present = {"dpkg-dev", "gcc", "gzip", "make", "tar"}  # of build-essential, or essential
    assert set(command.PROGRAMS.values()) - present <= needed
