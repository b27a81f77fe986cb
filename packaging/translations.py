"""Compiles translations of the Cockpit page: cockpit/po/LANGUAGE.po → cockpit/po.LANGUAGE.js, which Cockpit loads.

python -m translations
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

PAGE = Path(__file__).parent / "cockpit"
CATALOGUES = sorted(PAGE.glob("po/*.po"))

_ENTRY = re.compile(r'^msgid((?:\s*"(?:[^"\\]|\\.)*")+)\s*^msgstr((?:\s*"(?:[^"\\]|\\.)*")+)', re.M)


def read(catalogue: Path) -> dict[str, str]:
    """Return the texts of a .po file by the English ones; the header has the key ""."""
    return {
        ast.literal_eval(f"({text})"): ast.literal_eval(f"({translation})")
        for text, translation in _ENTRY.findall(catalogue.read_text())
    }


def script(catalogue: Path) -> str:
    """Return the script that passes the texts to cockpit.js. No text has plural forms."""
    texts = read(catalogue)
    texts.pop("", None)
    head = {"language": catalogue.stem, "language-direction": "ltr"}
    rows = [f"{json.dumps('')}: {json.dumps(head)}"]
    rows += [
        f"{json.dumps(text)}: [null, {json.dumps(translation, ensure_ascii=False)}]"
        for text, translation in texts.items()
        if translation
    ]
    return "cockpit.locale({\n" + ",\n".join(rows) + "\n});\n"


def target(catalogue: Path) -> Path:
    """Return the file that Cockpit loads for the catalogue's language."""
    return PAGE / f"po.{catalogue.stem}.js"


if __name__ == "__main__":
    for source in CATALOGUES:
        target(source).write_text(script(source))
