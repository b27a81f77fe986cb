"""./dev release: everything that a release has, in build/release."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from release import checks, compare, pythons
from release.build import Builder, Commit, Surroundings
from release.checks import Refusal

ROOT = Path(__file__).parents[2]
#: programs → Debian's packages of them
PROGRAMS = {
    "git": "git", "gcc": "gcc", "tar": "tar", "gzip": "gzip", "dpkg-buildpackage": "dpkg-dev", "dh": "debhelper",
    "lintian": "lintian", "rpmbuild": "rpm", "make": "make", "faketime": "faketime",
}  # fmt: skip


def say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr, flush=True)


def check_programs() -> None:
    """Check that all programs are there.

    Raises:
        Refusal: some are not; it names their packages
    """
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if missing:
        raise Refusal(f"these Debian packages are needed: {' '.join(sorted(missing))}")


def make(root: Path, result: Path, work: Path, elsewhere: Path) -> None:
    """Build the release of a checkout twice, in `work` and `elsewhere`, into `result`.

    SHA256SUMS is written last: a folder without it holds no release.

    Raises:
        Refusal: the tree is not fit to be released, a step fails, or the builds differ
    """
    version = checks.check(root)
    check_programs()
    interpreters = pythons.find()
    head, time = checks.git(root, "log", "-1", "--format=%H %ct").split()
    commit = Commit(root, head, version, int(time))
    say(f"{commit.name}, commit {head[:12]}, {len(interpreters)} versions of Python: tools")
    tools = tuple(
        pythons.make_tools(python, work / f"tools-{number}")
        for number, python in enumerate(interpreters)
    )
    runtime = pythons.make_runtime(interpreters[0], work / "runtime", tools[0])
    here = Surroundings(work / "build", 0o022, "UTC0")
    other = Surroundings(
        elsewhere / "build", 0o077, "OTHER-13:45", ("faketime", "-m", "-f", "+400d")
    )
    builders = [Builder(commit, around, tools, runtime) for around in (here, other)]
    for builder in builders:
        say(f"build in {builder.surroundings.folder}")
        builder.build()
    say("install the wheels")
    install(builders[0].files, version, interpreters, work / "installed")
    if different := compare.differing(builders[0].files, builders[1].files):
        raise Refusal(
            f"not reproducible: {', '.join(different)} (compare {here.folder} and {other.folder})"
        )
    shutil.copytree(builders[0].files, result)
    (result / "SHA256SUMS").write_text(compare.sums(builders[0].files), "utf-8")
    say(f"{len(list(result.iterdir()))} files in {result}, the same in both builds")


def install(files: Path, version: str, interpreters: list[str], folder: Path) -> None:
    """Install each wheel in a virtual environment of its own.

    Raises:
        Refusal: one does not install, or runs other modules than it should
    """
    plain = files / f"fwhelpers-{version}-py3-none-any.whl"
    expected = f"fwhelpers {version} (%s)"
    pythons.check_wheel(plain, interpreters[0], folder / "plain", expected % "interpreted")
    compiled = set(files.glob("*.whl")) - {plain}
    if len(compiled) != len(interpreters):
        raise Refusal(f"{len(compiled)} compiled wheels for {len(interpreters)} versions of Python")
    for number, python in enumerate(interpreters):
        tag = pythons.tag(python)
        (wheel,) = (path for path in compiled if f"-{tag}-" in path.name)
        pythons.check_wheel(wheel, python, folder / str(number), expected % "compiled")


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev release", description=make.__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only check that the tree can be released"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check:
            say(f"{checks.check(ROOT)} can be released")
        else:
            make_clean()
    except Refusal as refusal:
        say(f"error: {refusal}")
        return 1
    return 0


def make_clean() -> None:
    """Replace build/release. What was built on the way stays where it failed, and is deleted otherwise.

    Raises:
        Refusal: see make()
    """
    checks.check(ROOT)
    work, result = ROOT / "build/release-work", ROOT / "build/release"
    for folder in (work, result):
        if folder.exists():
            shutil.rmtree(folder)
    elsewhere = Path(tempfile.mkdtemp(prefix="fwhelpers-in-another-folder-"))
    make(ROOT, result, work, elsewhere)
    for folder in (work, elsewhere):
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
