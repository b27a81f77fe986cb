"""Plugins: whatever is wrong with one is told with its name and version, and the others go on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fwhelpers.plugin import manager as plugins

GROUP = "fwhelpers.test-plugins"

GOOD = """
from fwhelpers.api import DatagramParser, Helper, hookimpl

class Silent(DatagramParser):
    def datagram(self, data, reply):
        return ()

@hookimpl
def fwhelpers_helpers():
    return [Helper("{name}", "udp", [{port}], Silent)]
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution of one module, which is its plugin as well."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(name: str, source: str, version: str = "1.0", dist: str = "", entry: str = "") -> None:
        module = f"plug_{dist or name}_{name}".replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{dist or name}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Name: {dist or name}\nVersion: {version}\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[{GROUP}]\n{name} = {entry or module}\n")

    yield put
    for module in set(sys.modules) - before:
        if module.startswith("plug_"):
            del sys.modules[module]


def good(name: str, port: int = 7) -> str:
    return GOOD.replace("{name}", name).replace("{port}", str(port))


def load(*blocked: str, environ: str = "") -> plugins.Plugins:
    return plugins.load(GROUP, blocked, {plugins.BLOCK_VARIABLE: environ})


def test_a_good_plugin(install: Install) -> None:
    install("foo", good("foo"), "2.5")
    loaded = load()
    assert list(loaded.helpers) == ["foo"]
    assert loaded.problems == ()
    assert loaded.describe() == [
        {
            "name": "foo", "distribution": "foo", "version": "2.5", "module": "plug_foo_foo",
            "state": "loaded", "helpers": ["foo"], "problems": [],
        }
    ]  # fmt: skip


def test_another_process_loads_the_same_without_a_search(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("foo", good("foo"), "2.5")
    install("bar", good("bar", 9))
    install("inner", good("inner", 8))
    install("broken", "raise RuntimeError", "1.0")
    first = load("inner")
    monkeypatch.delattr(plugins, "_find")
    again = plugins.load(GROUP, ("inner",), {}, first.plugins)
    assert (again.plugins, again.identity()) == (first.plugins, first.identity())
    assert again.helpers.keys() == first.helpers.keys() == {"foo", "bar"}
    assert [str(problem) for problem in again.problems] == [str(p) for p in first.problems]


def test_an_entry_point_may_name_an_attribute(install: Install) -> None:
    # not a SimpleNamespace: pluggy 1.0 refuses objects without a hash
    source = f"class Inside:\n    class Plugin:\n        pass\n\n{good('foo')}"
    source += "\nInside.plugin = Inside.Plugin()"
    source += "\nInside.plugin.fwhelpers_helpers = fwhelpers_helpers\n"
    install("foo", source, entry="plug_foo_foo:Inside.plugin [extra]")
    assert list(load().helpers) == ["foo"]


def test_an_upgraded_plugin_is_loaded_anew(install: Install, tmp_path: Path) -> None:
    install("foo", good("foo", 7), "1.0")
    first = load()
    assert load().helpers["foo"].parser is first.helpers["foo"].parser, (
        "the same is not loaded twice"
    )
    shutil.rmtree(tmp_path / "foo-1.0.dist-info")
    install("foo", good("foo", 18), "1.1")
    second = load()
    assert second.helpers["foo"].ports == [18]
    assert second.plugins[0].version == "1.1"
    assert second.identity() != first.identity()


def test_a_removed_plugin_is_gone(install: Install, tmp_path: Path) -> None:
    install("foo", good("foo"), "1.0")
    assert list(load().helpers) == ["foo"]
    shutil.rmtree(tmp_path / "foo-1.0.dist-info")
    (tmp_path / "plug_foo_foo.py").unlink()
    assert load() == plugins.Plugins()


def test_nothing_installed() -> None:
    assert load() == plugins.Plugins()


API = """from fwhelpers.api import Helper, Parser, hookimpl
class P(Parser):
    def feed(self, data, reply):
        return iter(())
"""
HOOK = API + "@hookimpl\ndef fwhelpers_helpers():\n    "

BROKEN = {
    "syntax": ("def", "cannot be imported: SyntaxError: "),
    "missing": ("import nosuchmodule", "cannot be imported: ModuleNotFoundError: "),
    "raises": ("raise RuntimeError('two\\nlines')", "cannot be imported: RuntimeError: two"),
    "exits": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "nohook": ("x = 1", "implements no hook (mark fwhelpers_helpers with @hookimpl)"),
    "unmarked": ("def fwhelpers_helpers():\n    return []", "implements no hook"),
    "unknown": (API + "@hookimpl\ndef fwhelpers_helper():\n    return []",
                "invalid hook: unknown hook 'fwhelpers_helper' in plugin"),
    "signature": (API + "@hookimpl\ndef fwhelpers_helpers(x):\n    return []",
                  "hookimpl definition: fwhelpers_helpers(x) Argument(s) {'x'} are declared"),
    "hookraises": (HOOK + "raise KeyError('k')",
                   "its hook failed: KeyError: 'k' (plug_hookraises_hookraises.py:7)"),
    "hookexits": (HOOK + "raise SystemExit", "its hook failed: SystemExit"),
    "number": (HOOK + "return 7", "must return a list of helpers, not 'int'"),
    "none": (HOOK + "pass", "must return a list of helpers, not None"),
    "text": (HOOK + "return 'foo'", "must return a list of helpers, not 'str'"),
    "dict": (HOOK + "return {'a': Helper('a', 'udp', [1], Parser)}", "a list of helpers, not 'dict'"),
    "single": (HOOK + "return Helper('a', 'udp', [1], Parser)", "must return a list of helpers"),
    "midway": (HOOK + "yield Helper('a', 'udp', [1], Parser)\n    raise OSError('no')",
               "its hook failed: OSError: no"),
    "newer": ("FWHELPERS_API = 2\n" + HOOK + "return []",
              "requires plugin API 2, this is 1 (update fwhelpers)"),
    "older": ("FWHELPERS_API = 0\n" + HOOK + "return []",
              "requires plugin API 0, this is 1 (update the plugin)"),
    "oddapi": ("FWHELPERS_API = 'x'\n" + HOOK + "return []", "FWHELPERS_API must be an integer, not 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_does_not_affect_others(install: Install, name: str) -> None:
    source, expected = BROKEN[name]
    install(name, source, "0.9")
    install("zz-good", good("zz"))
    loaded = load()
    assert list(loaded.helpers) == ["zz"]
    (problem,) = loaded.problems
    assert str(problem).startswith(f"plugin {name} ({name} 0.9): ")
    assert expected in problem.message
    assert "\n" not in str(problem)
    assert {p.name: p.state for p in loaded.plugins} == {name: "broken", "zz-good": "loaded"}
    assert name in loaded.missing_reasons()


def test_a_missing_attribute_is_an_import_error(install: Install) -> None:
    install("attr", good("attr"), entry="plug_attr_attr:nosuch")
    assert "cannot be imported: AttributeError" in load().problems[0].message


def test_an_invalid_helper_is_ignored_and_the_others_are_kept(install: Install) -> None:
    install("two", HOOK + "return [Helper('a_b', 'udp', [0], P), "
                          "Helper('fine', 'udp', [1], P), 'text']")  # fmt: skip
    loaded = load()
    assert list(loaded.helpers) == ["fine"]
    assert [problem.message for problem in loaded.problems] == [
        "helper a_b: name must be a letter followed by at most 11 letters, digits, dashes or dots",
        "helper a_b: ports: invalid port: 0",
        "returned 'str' instead of a Helper",
    ]


def test_the_first_plugin_keeps_a_name(install: Install) -> None:
    install("one", good("dup", 1), dist="aaa")
    install("two", good("dup", 2), dist="bbb")
    loaded = load()
    assert list(loaded.helpers["dup"].ports) == [1]
    assert [str(p) for p in loaded.problems] == [
        "plugin two (bbb 1.0): helper dup: plugin one (aaa 1.0) already has a helper of this name"
    ]


def test_our_own_plugins_come_first(install: Install) -> None:
    install("one", good("dup", 1), dist="aaa")
    install("ours", good("dup", 2), dist="fwhelpers")
    assert list(load().helpers["dup"].ports) == [2]


def test_two_helpers_cannot_share_a_kernel_name(install: Install) -> None:
    install("a", good("fw-ftp"))
    install("b", good("ftp"))
    loaded = load()
    assert list(loaded.helpers) == ["fw-ftp"]
    assert "already registers fw-ftp" in loaded.problems[0].message


@pytest.mark.parametrize("block", ["one", "aaa", "aaa:one"])
@pytest.mark.parametrize("variable", [False, True])
def test_blocking(install: Install, block: str, variable: bool) -> None:
    install("one", "raise RuntimeError('must not be imported')", dist="aaa")
    install("two", good("two"), dist="bbb")
    loaded = load(environ=f"{block}, ") if variable else load(block)
    assert list(loaded.helpers) == ["two"]
    assert loaded.problems == ()
    assert [p.state for p in loaded.plugins] == ["blocked", "loaded"]
    assert loaded.missing_reasons() == {"one": "plugin one (aaa 1.0) is blocked"}


def test_all_third_party_plugins_can_be_blocked(install: Install) -> None:
    install("one", good("one"), dist="aaa")
    install("two", good("two"), dist="fwhelpers")
    assert list(load(environ="*").helpers) == ["two"]


def test_an_unknown_name_in_the_block_list_is_reported(install: Install) -> None:
    install("printer", good("printer"))
    assert str(load("nosuch").problems[0]) == "block list: no plugin 'nosuch' is installed"
    (problem,) = load("printr").problems
    assert str(problem).endswith("'printr' is installed (did you mean printer?)")


def test_the_built_in_plugins_load() -> None:
    loaded = plugins.load()
    assert [str(p) for p in loaded.problems] == []
    assert {"ftp", "rpc"} <= set(loaded.helpers)
