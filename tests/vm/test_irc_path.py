"""IRC with ngircd and two WeeChats through the gateway: a file and a chat between the clients (DCC)."""

from __future__ import annotations

import pytest
from lab.process import Process, wait_until
from lab.topology import CLIENT, OUTER, Lab

IRC = """
[daemon]
workers = 1
[helpers.irc]
destinations = ["10.0.2.2"]
"""
ANYBODY = f'{IRC}[helpers.irc.guard]\naddress = "any-src"\n'

_SERVER = """
[Global]
Name = irc.lab.example
Info = lab
Listen = ::,0.0.0.0
Ports = 6667
[Options]
DNS = no
Ident = no
PAM = no
"""
#: semicolons separate commands, with a backslash those of the server's own option
_COMMANDS = r"""
/set xfer.file.auto_accept_files on;/set xfer.file.auto_accept_chats on;
/set xfer.file.download_path /run/lab/got;
/server add lab {server}/6667 -notls -nicks={nick};
/set irc.server.lab.command "{command}";/connect lab
""".replace("\n", "")
_OFFERS = r"/dcc send b /run/lab/file.txt\;/dcc chat b"
TEXT = "".join(f"{number}\n" for number in range(2000))


def start_server(lab: Lab) -> Process:
    lab.open("tcp", 6667)
    space = lab.namespaces["s"]
    space.path("/run/lab/ngircd.conf").write_text(_SERVER)
    server = lab.popen("s", "ngircd", "--nodaemon", "--config", "/run/lab/ngircd.conf")
    space.wait_listening("tcp", 6667)
    return server


def start_client(lab: Lab, ns: str, nick: str, server: str, command: str = "") -> Process:
    commands = _COMMANDS.format(server=server, nick=nick, command=command)
    run = ("weechat-headless", "--dir", f"/run/lab/{nick}", "--no-script", "--run-command")
    return lab.popen(ns, *run, commands, name=nick)


def start(lab: Lab) -> None:
    """Let `a`, behind the gateway, offer a file and a chat to `b`, on the server's host."""
    server = start_server(lab)
    lab.namespaces["c"].path("/run/lab/file.txt").write_text(TEXT)
    lab.namespaces["s"].path("/run/lab/got").mkdir()
    start_client(lab, "s", "b", "127.0.0.1")
    server.wait_line('User "b!.* registered')
    start_client(lab, "c", "a", lab.target(), _OFFERS)


def chats(lab: Lab) -> bool:
    """Whether `b` is connected to what it believes to be the address of `a`."""
    peer = (OUTER if lab.nat == "snat" else CLIENT)[4]
    shown = lab.run("s", "ss", "-tnH", "state", "established", "dst", peer).stdout
    return bool([line for line in str(shown).splitlines() if ":6667 " not in line])


@pytest.mark.nat("snat")
def test_a_file_and_a_chat(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(ANYBODY)
    start(lab)
    file = lab.namespaces["s"].path("/run/lab/got/a.file.txt")
    wait_until(lambda: file.exists() and file.read_text() == TEXT, "the file arrives")
    wait_until(lambda: chats(lab), "the chat is connected")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_nothing_without_consent(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(IRC)
    start(lab)
    daemon.wait_line(r"refused .*any host could connect")
    wait_until(lambda: lab.dropped() > 0, "the other client's connection is dropped")
    assert not lab.namespaces["s"].path("/run/lab/got/a.file.txt").exists()
