"""Build all files of a release from one commit, in a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from release.checks import Refusal

HERE = Path(__file__).parent
#: the Python of the Debian packages, which compiles them too
DISTRIBUTION = Path("/usr/bin/python3")


@dataclass(frozen=True)
class Commit:
    """What is released: a commit of a checkout, its version, and its time in seconds since 1970."""

    root: Path
    hash: str
    version: str
    time: int

    @property
    def name(self) -> str:
        return f"fwhelpers-{self.version}"


@dataclass(frozen=True)
class Surroundings:
    """How one build differs from another one, which must not change its files."""

    folder: Path
    umask: int
    timezone: str  #: for TZ, in POSIX form: without a database of zones
    clock: tuple[str, ...] = ()  #: program and arguments that show another time to what they run


@dataclass(frozen=True)
class Builder:
    """Makes the files of a release.

    Attributes:
        tools: virtual environments with the packages of tools.txt, one for each version of Python
        runtime: virtual environment with what fwhelpers requires, and nothing else
        files: where the release goes
    """

    commit: Commit
    surroundings: Surroundings
    tools: tuple[Path, ...]
    runtime: Path
    files: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", self.surroundings.folder / "files")

    def build(self) -> None:
        """Build everything.

        Raises:
            Refusal: a step failed; its output is in FOLDER/STEP.log
        """
        self.files.mkdir(parents=True)
        self.archive()
        self.wheel(self.tools[0], "plain", {"FWHELPERS_COMPILE": "0"})
        for number, tools in enumerate(self.tools):
            self.wheel(tools, f"compiled-{number}", {"FWHELPERS_COMPILE": "1"})
        self._debian()
        self._rpm()
        self._sbom()

    def archive(self) -> None:
        """Pack the commit as git has it, whatever the user's configuration of git says."""
        fixed = ("tar.umask=0022", "core.autocrlf=false", "tar.tar.gz.command=gzip -9 --no-name")
        options = [word for setting in fixed for word in ("-c", setting)]
        name = self.commit.name
        archive = (
            "archive",
            "--format=tar.gz",
            f"--prefix={name}/",
            "-o",
            self.files / f"{name}.tar.gz",
        )
        self._run("archive", self.commit.root, "git", *options, *archive, self.commit.hash)

    def _unpack(self, step: str) -> Path:
        """Return a new copy of the source: setuptools writes into its own."""
        folder = self.surroundings.folder / step
        folder.mkdir()
        archive = self.files / f"{self.commit.name}.tar.gz"
        self._run(f"unpack-{step}", folder, "tar", "-xpf", archive, "--no-same-owner")
        return folder / self.commit.name

    def wheel(self, tools: Path, step: str, variables: Mapping[str, str]) -> None:
        tree = self._unpack(step)
        pip = (
            tools / "bin/python",
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-index",
            "--no-cache-dir",
        )
        # A wheel keeps the modes of its files; debugging information keeps the compiler's folder. CFLAGS would
        # replace the flags of Python itself.
        script = 'umask 022; CPPFLAGS="${CPPFLAGS-} -ffile-prefix-map=$PWD=." exec "$@"'
        argv = (
            "sh",
            "-c",
            script,
            "sh",
            *pip,
            "--no-build-isolation",
            "--wheel-dir",
            self.files,
            ".",
        )
        self._run(step, tree, *argv, variables=variables)

    def _debian(self) -> None:
        tree = self._unpack("debian")
        (tree / ".venv").symlink_to(self.tools[0])
        self._run("build-deb", tree, tree / "packaging/build-deb")
        if "not compiled" in (self.surroundings.folder / "build-deb.log").read_text("utf-8"):
            raise Refusal(
                f"no mypyc for {DISTRIBUTION}, so the Debian packages would not be compiled"
            )
        packages = tree / "build/packages"
        lintian = (
            "lintian",
            "--allow-root",
            "--tag-display-limit",
            "0",
            "--fail-on",
            "error,warning",
        )
        self._run("lintian", packages, *lintian, *packages.glob("*.changes"))
        for pattern in ("*.deb", "*.dsc", "*.tar.*"):
            self._take(packages.glob(pattern))

    def _rpm(self) -> None:
        tree, result = self._unpack("rpm"), self.surroundings.folder / "rpms"
        variables = {"PYTHON": str(self.tools[0] / "bin/python")}
        self._run(
            "build-rpm",
            tree,
            tree / "packaging/rpm/build",
            "--nocheck",
            result,
            variables=variables,
        )
        self._take(result.rglob("*.rpm"))

    def _sbom(self) -> None:
        """Describe fwhelpers and the Python packages that it runs with; cyclonedx-py validates it."""
        tree = self._unpack("sbom")
        project = self.surroundings.folder / "pyproject.toml"
        text = (tree / "pyproject.toml").read_text("utf-8")
        # cyclonedx-py leaves out a version that is dynamic
        stated = text.replace('dynamic = ["version"]', f'version = "{self.commit.version}"')
        if stated == text:
            raise Refusal("pyproject.toml does not say that the version is dynamic")
        project.write_text(stated, "utf-8")
        command = (self.tools[0] / "bin/cyclonedx-py", "environment", "--pyproject", project)
        form = ("--output-reproducible", "--sv", "1.6", "--of", "JSON", "--validate")
        output = ("-o", self.files / f"{self.commit.name}.cdx.json")
        self._run("sbom", tree, *command, *form, *output, self.runtime / "bin/python")

    def _take(self, files: Iterator[Path]) -> None:
        for file in files:
            shutil.copy(file, self.files)

    def _run(
        self, step: str, folder: Path, *argv: str | Path, variables: Mapping[str, str] | None = None
    ) -> None:
        """Run a program in `folder` and in the surroundings; its output goes to STEP.log.

        Raises:
            Refusal: it fails
        """
        around = self.surroundings
        environment = {
            **os.environ, "SOURCE_DATE_EPOCH": str(self.commit.time), "TZ": around.timezone,
            # only the clock differs: the times of files are real
            "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", **(variables or {}),
        }  # fmt: skip
        words = [str(word) for word in (*around.clock, *argv)]
        run(words, around.folder / f"{step}.log", cwd=folder, env=environment, umask=around.umask)


def run(
    argv: list[str],
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    umask: int = -1,
) -> None:
    """Run a program to its end; its output goes to a file.

    Raises:
        Refusal: it fails
    """
    with log.open("wb") as output:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
            cwd=cwd, env=env, umask=umask,
        )  # fmt: skip
    if done.returncode:
        raise Refusal(f"{log.stem} failed, see {log}")
