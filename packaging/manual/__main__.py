"""Write the pages."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from fwhelpers.plugin import manager as plugins
from manual import commands, plugin, settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "fwhelpers-foo" / "fwhelpers_foo.py"


def pages() -> dict[str, str]:
    """Return all man pages by file name."""
    texts: dict[str, Iterable[str]] = {
        f"{commands.NAME}.{commands.SECTION}": commands.page(),
        f"{settings.NAME}.{settings.SECTION}": settings.page(plugins.load(blocked=["*"]).helpers),
        f"{plugin.NAME}.{plugin.SECTION}": plugin.page(EXAMPLE.read_text("utf-8")),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in texts.items()}


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    if arguments == ["--configuration"]:
        print(settings.markdown(plugins.load(blocked=["*"]).helpers), end="")
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python3 -m manual DIRECTORY | --configuration", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
