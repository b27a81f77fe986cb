"""The configuration: accepted values, and errors with file, key and hint."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwhelpers import config
from fwhelpers.api import Helper, Parser, Policy, Setting
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


def test_a_typical_configuration_is_loaded() -> None:
    loaded = resolve("""
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
    assert loaded.daemon == config.DaemonConfig()
    assert list(loaded.helpers) == ["rpc", "ftp"]
    assert loaded.helpers["ftp"] == config.HelperConfig("ftp", (21,))
    rpc = loaded.helpers["rpc"]
    assert (rpc.ports, list(map(str, rpc.destinations))) == ((111,), ["10.0.2.0/24"])
    assert rpc.settings == {"programs": (100003, 400123), "loose": False}


def test_an_empty_file_is_valid() -> None:
    assert resolve("") == config.Config(config.DaemonConfig(), {})


def test_a_later_file_wins_key_by_key() -> None:
    loaded = resolve(
        "[daemon]\nqueues = 5\nworkers = 2\n[helpers.ftp.guard]\nrate = 7\nmin_port = 2000",
        "[daemon]\nqueues = 6\n[helpers.ftp]\nports = [2121]\n[helpers.ftp.guard]\nrate = 8",
    )
    assert (loaded.daemon.queues, loaded.daemon.workers) == (6, 2)
    assert loaded.helpers["ftp"].ports == (2121,)
    assert loaded.helpers["ftp"].guard == {"rate": 8, "min_port": 2000}


def test_a_helper_inherits_fail() -> None:
    loaded = resolve('[daemon]\nfail = "closed"\n[helpers.rpc]\n[helpers.ftp]\nfail = "open"')
    assert [h.fail for h in loaded.helpers.values()] == ["closed", "open"]


def test_guard_values_are_checked_and_typed() -> None:
    guard = 'addresses = ["10.1.0.0/16"]\naddress = "announced"\nallow_ports = [2049]'
    loaded = resolve(f"[helpers.ftp.guard]\n{guard}").helpers["ftp"].guard
    assert loaded["address"] == "announced"
    assert loaded["allow_ports"] == (2049,)
    assert [str(n) for n in loaded["addresses"]] == ["10.1.0.0/16"]


def test_blocked_plugins_are_read_before_plugins_are_loaded() -> None:
    draft = config.parse([("a", '[daemon]\nblock_plugins = ["x", "y:z"]')])
    assert draft.daemon.blocked_plugins == ("x", "y:z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[daemon]\nworkres = 1", "daemon.workres: unknown key (did you mean workers?)"),
        ("[daemon]\nzzz = 1", "daemon.zzz: unknown key (keys: block_plugins, fail, keep_masters, "
                              "queues, steering, workers)"),
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
         " (the last queue is 65535; use a lower first queue, or set `workers`)"),
        ("[daemon]\nqueues = 65500",
         "daemon.queues: 64 workers would need queues up to 65563"
         " (the last queue is 65535; use a lower first queue, or set `workers`)"),
        ('[daemon]\nsteering = "rule"', 'daemon.steering: invalid value "rule" (did you mean rules?)'),
        ("[daemon]\nfail = 1", 'daemon.fail: must be "open" or "closed", not an integer'),
        ('[daemon]\nblock_plugins = "ftp"',
         "daemon.block_plugins: must be an array of names, not a string (put it in [ ])"),
        ("[helpers.fpt]", "helpers.fpt: no such helper (did you mean ftp?)"),
        ("[helpers.zzz]", "helpers.zzz: no such helper (helpers: bare, ftp, old, rpc)"),
        ("[helpers.ftp]\nports = 21",
         "helpers.ftp.ports: must be an array of ports, not an integer (put it in [ ])"),
        ("[helpers.ftp]\nports = []", "helpers.ftp.ports: an empty array matches nothing"
                                      " (omit the key for no limit)"),
        ("[helpers.ftp]\nports = [0]", "helpers.ftp.ports: 0 is out of range (use 1 to 65535)"),
        ("[helpers.ftp]\nports = [65536]", "helpers.ftp.ports: 65536 is out of range (use 1 to 65535)"),
        ("[helpers.ftp]\nports = [true]", "helpers.ftp.ports: must be an integer, not a boolean"),
        ("[helpers.ftp]\nports = [21, 21]", "helpers.ftp.ports: duplicate value 21 (remove one)"),
        ('[helpers.ftp]\nports = ["21"]',
         "helpers.ftp.ports: must be an integer, not a string (write 21 without quotes)"),
        ("[helpers.ftp]\nfamilies = [5]",
         "helpers.ftp.families: 5 is not an address family (use 4, 6 or both)"),
        ("[helpers.old]\nfamilies = [6]", "helpers.old.families: old does not support IPv6"),
        ('[helpers.ftp]\ninterfaces = ["abcdefghijklmnop"]',
         'helpers.ftp.interfaces: "abcdefghijklmnop" is too long for an interface name'
         " (at most 15 characters)"),
        ('[helpers.ftp]\ninterfaces = ["eth*"]', 'helpers.ftp.interfaces: "eth*" is not an interface name'
                                                 " (wildcards are not supported; list each interface)"),
        ('[helpers.ftp]\nsources = ["10.0.2.1/24"]',
         "helpers.ftp.sources: 10.0.2.1/24 has host bits set"
         ' (write "10.0.2.0/24")'),
        ('[helpers.ftp]\nsources = ["10.0.2"]', 'helpers.ftp.sources: "10.0.2" is not an address prefix'
                                                ' (for example "192.0.2.0/24" or "fd00::/64")'),
        ('[helpers.ftp]\nsources = ["fe80::1%eth0"]',
         'helpers.ftp.sources: "fe80::1%eth0" has a zone (use `interfaces` instead)'),
        ("[helpers.ftp]\nsources = [10]", "helpers.ftp.sources: must contain strings, not an integer"),
        ('[helpers.ftp]\nfamilies = [4]\nsources = ["fd00::/64"]',
         "helpers.ftp.sources: fd00::/64 is excluded by `families`"),
        ('[helpers.ftp]\nsources = ["fd00::/64"]\ndestinations = ["10.0.0.0/8"]',
         "helpers.ftp: sources and destinations have no address family in common"),
        ("[helpers.bare]", "helpers.bare: this helper has no default ports (set ports = [...])"),
        ("[helpers.ftp]\nloose = true", "helpers.ftp.loose: unknown key (keys: backend, destinations, "
                                        "enabled, fail, families, guard, interfaces, ports, sources)"),
        ("[helpers.rpc]\nloose = 1", "helpers.rpc.loose: must be true or false, not an integer"),
        ("[helpers.rpc]\nprograms = 1", "helpers.rpc.programs: must be an array of programs"),
        ("[helpers.rpc]\nprgrams = []", "helpers.rpc.prgrams: unknown key (did you mean programs?)"),
        ("[helpers.ftp]\nguard = 1",
         "helpers.ftp.guard: must be a table, not an integer (write [helpers.ftp.guard])"),
        ("[helpers.ftp.guard]\nrate = 0", "helpers.ftp.guard.rate: 0 is out of range (use 1 to 1000)"),
        ("[helpers.ftp.guard]\nadress = 1", "helpers.ftp.guard.adress: unknown key"
                                            " (did you mean address?)"),
        ("[helpers.ftp]\n[helpers.rpc]\nports = [21]",
         "helpers.rpc: tcp port 21 is already used by ftp"
         " (set different ports, interfaces, sources or destinations)"),
    ],
)  # fmt: skip
def test_an_error_names_file_and_key_and_hints(text: str, expected: str) -> None:
    assert problems(text) == [f"1.toml: {expected}"]


TWO = '[replication]\nlisten = "10.0.9.1:3781"\npeer = "10.0.9.2:3781"\n'


def test_replication() -> None:
    assert resolve("").replication is None
    replication = resolve(TWO).replication
    assert replication is not None
    assert (replication.listen, str(replication.peer)) == (("10.0.9.1", 3781), "10.0.9.2:3781")
    assert replication.key == Path("/etc/fwhelpers/replication/own.key")
    later = resolve(TWO, '[replication]\npeer = "10.0.9.3:1"\nkey = "/k"').replication
    assert later is not None
    assert (later.peer, later.key) == (("10.0.9.3", 1), Path("/k"))


_FORM = ' (for example "10.0.9.1:3781" or "[fd00::1]:3781")'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'listen: required (for example "10.0.9.1:3781")'),
        ('listen = "10.0.9.1:1"', 'peer: required (for example "10.0.9.1:3781")'),
        ("listen = 3781", "listen: must be a string, not an integer" + _FORM),
        *(
            (f'listen = "{text}"', f'listen: "{text}" is no address with a port{_FORM}')
            for text in (
                "10.0.9.1", "10.0.9.1:", "10.0.9.1:0", "10.0.9.1:65536", "10.0.9.1:٣", "host:1", "fd00::1:1",
                "[10.0.9.1]:1", "[fe80::1%eth0]:1", "[fd00::1]", ":1", "10.0.9.1:1:1",
            )
        ),
        ('listen = "0.0.0.0:1"',
         "listen: 0.0.0.0 is no host's own address (use the address of one link)"),
        ('listen = "[ff02::1]:1"',
         "listen: ff02::1 is no host's own address (use the address of one link)"),
        ('key = "own.key"', 'key: "own.key" is not an absolute path'),
        ("certificate = true", "certificate: must be a string, not a boolean"),
        ('lisen = "10.0.9.1:1"', "lisen: unknown key (did you mean listen?)"),
        ('listen = "10.0.9.1:1"\npeer = "[fd00::1]:1"',
         "peer: is of another address family than `listen`"),
        ('listen = "[fd00::1]:1"\npeer = "[fd00:0::1]:2"',
         "peer: is this gateway's own address, as in `listen` (write the other gateway's)"),
    ],
)  # fmt: skip
def test_an_error_of_the_replication(text: str, expected: str) -> None:
    assert problems(f"[replication]\n{text}") == [f"1.toml: replication.{expected}"]


def test_all_errors_of_all_files_are_reported_together() -> None:
    lines = problems(
        "[daemon]\nworkers = -1\n[helpers.ftp]\nports = [0]",
        "x = ",
        "[helpers.nosuch]\n[helpers.ftp]\nprots = [1]",
    )
    assert [line.split(":")[0] for line in lines] == [
        "2.toml", "1.toml", "1.toml", "3.toml", "3.toml",
    ]  # fmt: skip


def test_an_error_names_the_file_that_set_the_key() -> None:
    assert problems("[daemon]\nqueues = 1", "[daemon]\nqueues = -1")[0].startswith("2.toml: ")


def test_a_setting_check_may_add_a_hint() -> None:
    def check(value: Any) -> Any:
        raise ValueError("unknown program", "did you mean nfs?")

    helpers = {"a": Helper("a", "udp", [1], Parser, settings=[Setting("s", "", "", check)])}
    draft = config.parse([("f", "[helpers.a]\ns = 'x'")])
    with pytest.raises(config.ConfigError, match=r"s: unknown program \(did you mean nfs\?\)"):
        config.resolve(draft, helpers)


def test_a_missing_helper_is_explained_by_its_plugin() -> None:
    draft = config.parse([("a", "[helpers.tns]")])
    with pytest.raises(config.ConfigError, match=r"no such helper \(plugin tns is broken\)"):
        config.resolve(draft, HELPERS, {"tns": "plugin tns is broken"})


@pytest.mark.parametrize(
    ("value", "message"), [("x", "is not right"), ("bug", "the helper's check failed")]
)
def test_a_setting_check_may_reject_or_crash(value: str, message: str) -> None:
    helpers = {"a": Helper("a", "udp", [1], Parser, settings=[Setting("s", "", "", _bug)])}
    draft = config.parse([("f", f"[helpers.a]\ns = '{value}'")])
    with pytest.raises(config.ConfigError, match=message):
        config.resolve(draft, helpers)


def test_control_characters_never_reach_the_terminal() -> None:
    for line in problems('[daemon]\n"a\\u001bb" = 1\nsteering = "\\u001b[2J"'):
        assert line.isprintable()


def test_too_deep_nesting_is_a_message() -> None:
    assert "nested too deeply" in problems("x = " + "[" * 100000)[0]


def test_default_configuration_of_a_helper() -> None:
    assert config.default(HELPERS["rpc"]).settings["programs"] == (100003,)
    assert config.default(HELPERS["bare"]).ports == ()


HUGE = ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 20000]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "text",
    ["[daemon]\nworkers = {}", "[helpers.ftp]\nports = [{}]", "[helpers.ftp.guard]\nmin_port = {}",
     "[discovery.x]\nport = {}", "{} = 1", "[helpers.ftp]\nsources = [{}]"],
)  # fmt: skip
def test_a_number_too_long_for_str_is_a_problem(text: str, number: str) -> None:
    draft = config.parse([("f", text.format(number))])
    with pytest.raises(config.ConfigError):
        config.resolve(draft, HELPERS)


def test_the_shipped_file_is_valid_and_lists_every_key() -> None:
    text = (ROOT / "packaging" / "fwhelpers.toml").read_text()
    assert config.resolve(config.parse([("f", text)]), {}) == config.Config()
    bare = "\n".join(line.removeprefix("#") for line in text.splitlines() if line[:2] != "# ")
    shown = tomllib.loads(bare)
    draft = config.parse([("f", bare)])
    assert config.resolve(draft, {"ftp": HELPERS["ftp"], "rpc": HELPERS["rpc"]})
    tables = (
        shown["daemon"], shown["firewalld"], shown["replication"], shown["helpers"]["rpc"],
        shown["helpers"]["ftp"]["guard"], shown["discovery"]["disks"],
    )  # fmt: skip
    for keys, table in zip(TABLES.values(), tables, strict=True):
        assert [key.name for key in keys] == list(table)
        for key in keys:
            assert key.default is None or table[key.name] == key.default


def test_dataclass_defaults_are_the_table_s() -> None:
    loaded = resolve("")
    assert loaded.daemon == config.DaemonConfig()


_TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_KEYS = sorted({key.name for keys in TABLES.values() for key in keys})


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds unicode tables
@given(st.dictionaries(st.sampled_from(_KEYS), _TOML), st.sampled_from(["ftp", "rpc", "old"]))
def test_arbitrary_values_resolve_or_raise_config_error(table: dict[str, Any], name: str) -> None:
    draft = config.UnresolvedConfig(
        config.DaemonConfig(), {"helpers": {name: {**table, "guard": table}}}, {}, ()
    )
    try:
        loaded = config.resolve(draft, HELPERS)
    except config.ConfigError as error:
        unfit = [str(p) for p in error.problems if not str(p).isprintable()]
    else:
        unfit = [str(p) for p in loaded.helpers[name].ports if not 0 < p < 65536]
    assert not unfit


@given(st.text())
def test_arbitrary_text_is_parsed_without_exceptions(text: str) -> None:
    config.parse([("f", text)])


CALLS = {
    "calls": Helper(
        "calls", "udp", [5060], Parser, policies=[Policy("media", third_party=True)]
    )
}  # fmt: skip


@pytest.mark.parametrize("address", ["announced", "any-src"])
def test_third_parties_need_destinations(address: str) -> None:
    guard = f'[helpers.calls.guard]\naddress = "{address}"\n'
    with pytest.raises(config.ConfigError) as caught:
        config.resolve(config.parse([("a.toml", guard)]), CALLS)
    assert str(caught.value) == (
        "a.toml: helpers.calls.guard.address: lets every server open ports for hosts that it names"
        " (set destinations = [...], the servers that may)"
    )
    limited = f'[helpers.calls]\ndestinations = ["192.0.2.1"]\n{guard}'
    config.resolve(config.parse([("a.toml", limited)]), CALLS)
