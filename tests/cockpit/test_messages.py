"""The texts that translators need: packaging/cockpit/po/fwhelpers.pot has all of them.

FWHELPERS_UPDATE_GOLDEN=1 writes the file. `./dev pages` compiles the translations.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import translations

PAGE = Path(__file__).parents[2] / "packaging" / "cockpit"
TEMPLATE = PAGE / "po" / "fwhelpers.pot"
HEAD = """\
# Texts of the Cockpit page of fwhelpers. A translation is compiled to po.LANGUAGE.js beside index.html.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"""
TEXT = re.compile(r'\b_\(("(?:[^"\\]|\\.)*")\)')


def template() -> str:
    places: dict[str, list[str]] = {
        json.loads((PAGE / "manifest.json").read_text())["menu"]["index"]["label"]: [
            "manifest.json"
        ]
    }
    for file in sorted(PAGE.glob("*.js")):
        for text in TEXT.findall(file.read_text()):
            names = places.setdefault(json.loads(text), [])
            if file.name not in names:
                names.append(file.name)
    entries = (
        f'\n#: {" ".join(names)}\nmsgid {json.dumps(text, ensure_ascii=False)}\nmsgstr ""\n'
        for text, names in sorted(places.items())
    )
    return HEAD + "".join(entries)


def test_the_template_has_all_texts() -> None:
    if os.environ.get("FWHELPERS_UPDATE_GOLDEN"):
        TEMPLATE.write_text(template())
    assert TEMPLATE.read_text() == template()


@pytest.mark.parametrize("catalogue", translations.CATALOGUES, ids=lambda path: path.stem)
def test_translations_are_complete_and_compiled(catalogue: Path) -> None:
    texts = translations.read(catalogue)
    texts.pop("")
    english = translations.read(TEMPLATE)
    assert texts.keys() == english.keys() - {""}
    for text, translation in texts.items():
        assert translation, text
        assert sorted(re.findall(r"\$\d", text)) == sorted(re.findall(r"\$\d", translation))
    assert translations.target(catalogue).read_text() == translations.script(catalogue)


def test_no_script_writes_markup() -> None:
    for file in PAGE.glob("*.js"):
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "DOMParser",
        ):
            assert word not in file.read_text(), f"{file.name}: {word}"


def test_the_page_loads_only_its_own_files_and_cockpit() -> None:
    html = (PAGE / "index.html").read_text()
    targets = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert [
        t for t in targets if t not in ("../base1/cockpit.js", "po.js") and not (PAGE / t).is_file()
    ] == []
    assert "<style" not in html
    assert not re.search(r"\son\w+=", html)
