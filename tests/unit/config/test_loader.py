"""Configuration: what is accepted, and that each mistake is named with file, key and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwhelpers import config
from fwhelpers.api import Helper, Parser, Setting
from fwhelpers.config.schema import TABLES

ROOT = Path(__file__).parents[3]


def _programs(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError("must be an array of programs")
    return tuple(value)


def _bug(value: Any) -> Any:
    if value == "bug":
        raise KeyError(value)
    raise ValueError("is not right")


SETTINGS = [
    Setting("programs", [100003], "programs to open for", _programs),
    Setting("loose", False, "be lax"),
]
HELPERS = {
    "rpc": Helper("rpc", ("udp", "tcp"), [111], Parser, settings=SETTINGS),
    "ftp": Helper("ftp", "tcp", [21], Parser),
    "old": Helper("old", "udp", [69], Parser, families=[4]),
    "bare": Helper("bare", "udp", [], Parser),
}


def resolve(*texts: str) -> config.Config:
    draft = config.parse([(f"{n}.toml", text) for n, text in enumerate(texts, 1)])
    return config.resolve(draft, HELPERS)


def problems(*texts: str) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        resolve(*texts)
    assert len(set(map(str, caught.value.problems))) == len(caught.value.problems)
    return str(caught.value).splitlines()


def test_the_issue_s_example() -> None:
    made = resolve("""
        [daemon]
        workers = 0
        queues = 1000
        steering = "rules"
        fail = "open"
        [helpers.rpc]
        ports = [111]
        destinations = ["10.0.2.0/24"]
        programs = [100003, 400123]
        [helpers.ftp]
    """)
    assert made.daemon == config.DaemonConfig()
    assert list(made.helpers) == ["rpc", "ftp"]
    assert made.helpers["ftp"] == config.HelperConfig("ftp", (21,))
    rpc = made.helpers["rpc"]
    assert (rpc.ports, list(map(str, rpc.destinations))) == ((111,), ["10.0.2.0/24"])
    assert rpc.settings == {"programs": (100003, 400123), "loose": False}


def test_nothing_configured_is_a_configuration() -> None:
    assert resolve("") == config.Config(config.DaemonConfig(), {})


def test_a_later_file_wins_key_by_key() -> None:
    made = resolve(
        "[daemon]\nqueues = 5\nworkers = 2\n[helpers.ftp.guard]\nrate = 7\nmin_port = 2000",
        "[daemon]\nqueues = 6\n[helpers.ftp]\nports = [2121]\n[helpers.ftp.guard]\nrate = 8",
    )
    assert (made.daemon.queues, made.daemon.workers) == (6, 2)
    assert made.helpers["ftp"].ports == (2121,)
    assert made.helpers["ftp"].guard == {"rate": 8, "min_port": 2000}


def test_a_helper_inherits_fail() -> None:
    made = resolve('[daemon]\nfail = "closed"\n[helpers.rpc]\n[helpers.ftp]\nfail = "open"')
    assert [h.fail for h in made.helpers.values()] == ["closed", "open"]


def test_guard_values_are_checked_and_typed() -> None:
    guard = 'addresses = ["10.1.0.0/16"]\naddress = "announced"\nallow_ports = [2049]'
    made = resolve(f"[helpers.ftp.guard]\n{guard}").helpers["ftp"].guard
    assert made["address"] == "announced"
    assert made["allow_ports"] == (2049,)
    assert [str(n) for n in made["addresses"]] == ["10.1.0.0/16"]


def test_blocked_plugins_are_known_before_any_plugin() -> None:
    draft = config.parse([("a", '[daemon]\nblock_plugins = ["x", "y:z"]')])
    assert draft.daemon.blocked_plugins == ("x", "y:z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[daemon]\nworkres = 1", "daemon.workres: unknown key (did you mean workers?)"),
        ("[daemon]\nzzz = 1", "daemon.zzz: unknown key (known keys: block_plugins, fail, queues, "
                              "steering, workers)"),
        ("[helper.ftp]", "helper: unknown table (did you mean helpers?)"),
        ("daemon = 3", "daemon: must be a table, not an integer (write [daemon])"),
        ("[helpers]\nftp = true", "helpers.ftp: must be a table, not a boolean (write [helpers.ftp])"),
        ("[[helpers]]", "helpers: must be a table, not an array (write [helpers])"),
        ("[daemon]\nworkers = -1", "daemon.workers: -1 is out of range (use 0 to 64)"),
        ("[daemon]\nworkers = 65", "daemon.workers: 65 is out of range (use 0 to 64)"),
        ("[daemon]\nworkers = true", "daemon.workers: must be an integer, not a boolean"),
        ("[daemon]\nworkers = 1.5", "daemon.workers: must be an integer, not a number with a fraction"),
        ("[daemon]\nworkers = 1979-05-27", "daemon.workers: must be an integer, not a date or time"),
        ("[daemon]\nqueues = 65535\nworkers = 2",
         "daemon.queues: 2 workers would need queues up to 65536"
         " (the last is 65535: begin lower, or set `workers`)"),
        ("[daemon]\nqueues = 65500",
         "daemon.queues: 64 workers would need queues up to 65563"
         " (the last is 65535: begin lower, or set `workers`)"),
        ('[daemon]\nsteering = "rule"', 'daemon.steering: "rule" is not known (use "rules" or "helper")'),
        ("[daemon]\nfail = 1", 'daemon.fail: must be "open" or "closed", not an integer'),
        ('[daemon]\nblock_plugins = "ftp"',
         "daemon.block_plugins: must be an array of names, not a string (put it in [ ])"),
        ("[helpers.fpt]", "helpers.fpt: there is no such helper (did you mean ftp?)"),
        ("[helpers.zzz]", "helpers.zzz: there is no such helper (installed helpers: bare, ftp, old, rpc)"),
        ("[helpers.ftp]\nports = 21",
         "helpers.ftp.ports: must be an array of ports, not an integer (put it in [ ])"),
        ("[helpers.ftp]\nports = []", "helpers.ftp.ports: is empty, so nothing could ever match"
                                      " (leave the key out for no limit)"),
        ("[helpers.ftp]\nports = [0]", "helpers.ftp.ports: 0 is out of range (use 1 to 65535)"),
        ("[helpers.ftp]\nports = [65536]", "helpers.ftp.ports: 65536 is out of range (use 1 to 65535)"),
        ("[helpers.ftp]\nports = [true]", "helpers.ftp.ports: must be an integer, not a boolean"),
        ("[helpers.ftp]\nports = [21, 21]", "helpers.ftp.ports: 21 is there twice (remove one)"),
        ('[helpers.ftp]\nports = ["21"]',
         "helpers.ftp.ports: must be an integer, not a string (write 21 without quotes)"),
        ("[helpers.ftp]\nfamilies = [5]",
         "helpers.ftp.families: 5 is no address family (use 4, 6 or both)"),
        ("[helpers.old]\nfamilies = [6]", "helpers.old.families: old does not know IPv6"),
        ('[helpers.ftp]\ninterfaces = ["abcdefghijklmnop"]',
         'helpers.ftp.interfaces: "abcdefghijklmnop" is too long for an interface'
         " (at most 15 characters)"),
        ('[helpers.ftp]\ninterfaces = ["eth*"]', 'helpers.ftp.interfaces: "eth*" can\'t be an interface'
                                                 " (patterns are not known, name each)"),
        ('[helpers.ftp]\nsources = ["10.0.2.1/24"]',
         "helpers.ftp.sources: 10.0.2.1/24 has bits set behind the prefix"
         ' (write "10.0.2.0/24")'),
        ('[helpers.ftp]\nsources = ["10.0.2"]', 'helpers.ftp.sources: "10.0.2" is no address prefix'
                                                ' (like "192.0.2.0/24" or "fd00::/64")'),
        ('[helpers.ftp]\nsources = ["fe80::1%eth0"]',
         'helpers.ftp.sources: "fe80::1%eth0" has a zone (use `interfaces` for that)'),
        ("[helpers.ftp]\nsources = [10]", "helpers.ftp.sources: must hold strings, not an integer"),
        ('[helpers.ftp]\nfamilies = [4]\nsources = ["fd00::/64"]',
         "helpers.ftp.sources: fd00::/64 is excluded by `families`"),
        ('[helpers.ftp]\nsources = ["fd00::/64"]\ndestinations = ["10.0.0.0/8"]',
         "helpers.ftp: sources and destinations have no address family in common"),
        ("[helpers.bare]", "helpers.bare: has no default ports (say ports = [...])"),
        ("[helpers.ftp]\nloose = true", "helpers.ftp.loose: unknown key (known keys: destinations, enabled, fail, "
                                        "families, guard, interfaces, ports, sources)"),
        ("[helpers.rpc]\nloose = 1", "helpers.rpc.loose: must be true or false, not an integer"),
        ("[helpers.rpc]\nprograms = 1", "helpers.rpc.programs: must be an array of programs"),
        ("[helpers.rpc]\nprgrams = []", "helpers.rpc.prgrams: unknown key (did you mean programs?)"),
        ("[helpers.ftp]\nguard = 1",
         "helpers.ftp.guard: must be a table, not an integer (write [helpers.ftp.guard])"),
        ("[helpers.ftp.guard]\nrate = 0", "helpers.ftp.guard.rate: 0 is out of range (use 1 to 1000)"),
        ("[helpers.ftp.guard]\nadress = 1", "helpers.ftp.guard.adress: unknown key"
                                            " (did you mean address?)"),
        ("[helpers.ftp]\n[helpers.rpc]\nports = [21]",
         "helpers.rpc: tcp port 21 belongs to ftp as well"
         " (give them different ports, interfaces, sources or destinations)"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(text: str, expected: str) -> None:
    assert problems(text) == [f"1.toml: {expected}"]


def test_all_mistakes_of_all_files_are_told_at_once() -> None:
    found = problems(
        "[daemon]\nworkers = -1\n[helpers.ftp]\nports = [0]",
        "x = ",
        "[helpers.nosuch]\n[helpers.ftp]\nprots = [1]",
    )
    assert [line.split(":")[0] for line in found] == [
        "2.toml", "1.toml", "1.toml", "3.toml", "3.toml",
    ]  # fmt: skip


def test_the_file_named_is_the_one_that_set_the_key() -> None:
    assert problems("[daemon]\nqueues = 1", "[daemon]\nqueues = -1")[0].startswith("2.toml: ")


@pytest.mark.parametrize(
    ("limits", "apart"),
    [
        ('destinations = ["10.0.0.0/9"]|destinations = ["10.128.0.0/9"]', True),
        ('destinations = ["10.0.0.0/8"]|destinations = ["10.128.0.0/9"]', False),
        ('interfaces = ["a"]|interfaces = ["b"]', True),
        ('interfaces = ["a"]|interfaces = ["b", "a"]', False),
        ("families = [4]|families = [6]", True),
        ('sources = ["10.0.0.0/9"]|', False),
    ],
)
def test_one_port_may_serve_two_helpers_that_never_meet(limits: str, apart: bool) -> None:
    a, b = limits.split("|")
    text = f"[helpers.ftp]\n{a}\n[helpers.rpc]\nports = [21]\n{b}"
    if apart:
        assert set(resolve(text).helpers) == {"ftp", "rpc"}
    else:
        assert "belongs to ftp as well" in problems(text)[0]


def test_a_missing_helper_s_plugin_says_why() -> None:
    draft = config.parse([("a", "[helpers.tns]")])
    with pytest.raises(config.ConfigError, match=r"no such helper \(plugin tns is broken\)"):
        config.resolve(draft, HELPERS, {"tns": "plugin tns is broken"})


@pytest.mark.parametrize(("value", "what"), [("x", "is not right"), ("bug", "own check failed")])
def test_a_setting_s_check_may_refuse_or_fail(value: str, what: str) -> None:
    helpers = {"a": Helper("a", "udp", [1], Parser, settings=[Setting("s", "", "", _bug)])}
    draft = config.parse([("f", f"[helpers.a]\ns = '{value}'")])
    with pytest.raises(config.ConfigError, match=what):
        config.resolve(draft, helpers)


def test_control_characters_never_reach_the_terminal() -> None:
    for line in problems('[daemon]\n"a\\u001bb" = 1\nsteering = "\\u001b[2J"'):
        assert line.isprintable()


def test_too_deep_nesting_is_a_message() -> None:
    assert "nested too deeply" in problems("x = " + "[" * 100000)[0]


def test_default_configuration_of_a_helper() -> None:
    assert config.default(HELPERS["rpc"]).settings["programs"] == (100003,)
    assert config.default(HELPERS["bare"]).ports == ()


# files


def test_the_directory_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "fwhelpers.toml").write_text("[daemon]\nqueues = 1")
    (tmp_path / "conf.d" / "20.toml").write_text("[daemon]\nqueues = 3")
    (tmp_path / "conf.d" / "10.toml").write_text("[daemon]\nqueues = 2\nworkers = 9")
    (tmp_path / "conf.d" / "30.toml.bak").write_text("[daemon]\nqueues = 4")
    daemon = config.resolve(config.load(tmp_path), {}).daemon
    assert (daemon.queues, daemon.workers) == (3, 9)


def test_a_single_file_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("[daemon]\nqueues = 1")
    assert config.load(tmp_path / "one.toml").daemon.queues == 1


def test_a_missing_directory_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="there is no such directory"):
        config.resolve(config.load(tmp_path / "none"), {})


def test_unreadable_and_undecodable_files_are_problems(tmp_path: Path) -> None:
    (tmp_path / "fwhelpers.toml").mkdir()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(config.ConfigError) as caught:
        config.resolve(config.load(tmp_path), {})
    assert [problem.what for problem in caught.value.problems] == [
        "can't be read: Is a directory",
        "is not UTF-8 (byte 0)",
    ]


def test_the_shipped_file_is_valid_and_names_every_key() -> None:
    text = (ROOT / "packaging" / "fwhelpers.toml").read_text()
    assert config.resolve(config.parse([("f", text)]), {}) == config.Config()
    bare = "\n".join(line.removeprefix("#") for line in text.splitlines() if line[:2] != "# ")
    shown = tomllib.loads(bare)
    draft = config.parse([("f", bare)])
    assert config.resolve(draft, {"ftp": HELPERS["ftp"], "rpc": HELPERS["rpc"]})
    tables = (
        shown["daemon"], shown["firewalld"], shown["helpers"]["rpc"], shown["helpers"]["ftp"]["guard"],
        shown["discovery"]["disks"],
    )  # fmt: skip
    for keys, table in zip(TABLES.values(), tables, strict=True):
        assert [key.name for key in keys] == list(table)
        for key in keys:
            assert key.default is None or table[key.name] == key.default


def test_dataclass_defaults_are_the_table_s() -> None:
    made = resolve("")
    assert made.daemon == config.DaemonConfig()


_TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_KEYS = sorted({key.name for keys in TABLES.values() for key in keys})


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds unicode tables
@given(st.dictionaries(st.sampled_from(_KEYS), _TOML), st.sampled_from(["ftp", "rpc", "old"]))
def test_any_values_make_a_config_or_a_config_error(table: dict[str, Any], name: str) -> None:
    draft = config.UnresolvedConfig(
        config.DaemonConfig(), {"helpers": {name: {**table, "guard": table}}}, {}, ()
    )
    try:
        made = config.resolve(draft, HELPERS)
    except config.ConfigError as error:
        unfit = [str(p) for p in error.problems if not str(p).isprintable()]
    else:
        unfit = [str(p) for p in made.helpers[name].ports if not 0 < p < 65536]
    assert not unfit


@given(st.text())
def test_any_text_makes_a_draft(text: str) -> None:
    config.parse([("f", text)])


# discovery protocols of one's own

ROW = """
[discovery.disks]
port = 7000
groups = ["239.1.2.3", "ff02::1234"]
signature = ["0:4449534b", "8:0000/f000"]
"""


def row(**changes: str) -> str:
    """A table that is right, but for these keys."""
    keys = {
        "port": "7000", "groups": '["239.1.2.3"]', "signature": '["0:4449534b"]', **changes
    }  # fmt: skip
    lines = [f"{key} = {value}" for key, value in keys.items() if value]
    return "\n".join(["[discovery.disks]", *lines])


def test_a_row_is_a_helper() -> None:
    made = resolve(ROW)
    assert list(made.helpers) == ["disks"]
    assert made.helpers["disks"].ports == (7000,)
    assert made.helpers["disks"].families == (4, 6)
    (declared,) = made.rows
    assert declared.groups == ("239.1.2.3", "ff02::1234")
    assert (declared.window, declared.reply_port, declared.sources) == (5, "same", "on-link")
    assert declared.matches(b"DISK1234\x0f\xff", 40000)
    assert not declared.matches(b"DISK1234\x1f\xff", 40000)


def test_a_row_has_a_helpers_table_too() -> None:
    made = resolve(ROW, '[helpers.disks]\ninterfaces = ["lan"]\n[helpers.disks.guard]\nrate = 5\n')
    assert made.helpers["disks"].interfaces == ("lan",)
    assert made.helpers["disks"].guard == {"rate": 5}


def test_all_keys_of_a_row() -> None:
    text = row(
        groups='["ff02::1"]', source_port="546", reply_port='"any"', window="30", doc='"disks"',
        sources='"link-local"',
    )  # fmt: skip
    (declared,) = resolve(text).rows
    assert (declared.source_ports, declared.reply_port, declared.doc) == ((546,), "any", "disks")
    assert resolve(row(reply_port="9", broadcast="true", groups="")).rows[0].reply_port == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (row(port=""), "discovery.disks.port: must be given (the port to which requests go)"),
        (row(groups=""), "discovery.disks.groups: must be given (or say broadcast = true)"),
        (row(signature=""), "discovery.disks.signature: must be given "
         '(what a request looks like, like "0:4449534b")'),
        (row(port='"7000"'), "discovery.disks.port: must be an integer, not a string (write 7000 without quotes)"),
        (row(port="0"), "discovery.disks.port: 0 is out of range (use 1 to 65535)"),
        (row(groups='["10.0.0.1"]'), "discovery.disks.groups: 10.0.0.1/32 is no multicast group "
         "(for 255.255.255.255 say broadcast = true)"),
        (row(groups='["239.1.2.3/8"]'), "discovery.disks.groups: 239.1.2.3/8 has bits set behind the prefix "
         '(write "239.0.0.0/8")'),
        (row(group='"239.1.2.3"'), "discovery.disks.group: unknown key (did you mean groups?)"),
        (row(window="31"), "discovery.disks.window: 31 is out of range (use 1 to 30)"),
        (row(signature='["DISK"]'), 'discovery.disks.signature: "DISK" is no signature '
         '(like "0:424a4e50" or "2:00/f8")'),
        (row(signature='["0:44/f8f8"]'), 'discovery.disks.signature: "0:44/f8f8": value and mask are of '
         "different length"),
        (row(signature='["0:ff/f8"]'), 'discovery.disks.signature: "0:ff/f8": the value has bits that '
         "the mask leaves out"),
        (row(signature="[]"), "discovery.disks.signature: is empty, so nothing could ever match "
         "(leave the key out for no limit)"),
        (row(reply_port='"some"'), 'discovery.disks.reply_port: "some" is not known (use "same", "any" or a port)'),
        (row(sources='"all"'), 'discovery.disks.sources: "all" is not known (use "on-link" or "link-local")'),
        (row(sources='"link-local"'), "discovery.disks: sources: link-local answers are for IPv6 groups "
         "(leave `sources` out)"),
        (row(broadcast="1"), "discovery.disks.broadcast: must be true or false, not an integer"),
        (row(doc='"a\\nb"'), "discovery.disks.doc: must be one line of at most 200 printable characters"),
        ("[discovery]\nx = 1", "discovery.x: must be a table, not an integer (write [discovery.x])"),
        (row().replace("disks", "ftp"), "discovery.ftp: the name belongs to an installed helper (choose another)"),
        (row().replace("disks", "a_b"), "discovery.a_b: the name must be a letter and up to 11 letters, digits, "
         "dashes or dots"),
        (row() + "\n[helpers.disks]\nwindow = 3", "helpers.disks.window: unknown key"),
        ("[discover.x]", "discover: unknown table (did you mean discovery?)"),
    ],
)  # fmt: skip
def test_mistakes_in_rows(text: str, said: str) -> None:
    (line,) = problems(text)
    assert line.startswith(f"1.toml: {said}")


def test_two_rows_may_share_a_port_but_not_a_group() -> None:
    other = row().replace("disks", "tapes")
    assert len(resolve(row(), other.replace("239.1.2.3", "239.1.2.4")).rows) == 2
    (line,) = problems(row(), other)
    assert line.startswith("2.toml: discovery.tapes: udp port 7000 belongs to disks as well")
