"""A private message bus with the policies of the system bus and of the service; programs and clients on it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Message, Target

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0  #: seconds; emulation on a loaded machine is slow

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <!-- as /usr/share/dbus-1/system.conf has it -->
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Peer"/>
  </policy>
  <include>{policy}</include>
  <policy user="{user}">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow own="io.github.fwhelpers.FwHelpers1"/>
    <allow send_interface="org.freedesktop.DBus.Peer" send_member="Ping"/>
  </policy>
</busconfig>
"""


class Program:
    """A process whose output lines can be awaited."""

    def __init__(self, *argv: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, **(env or {})},
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._arrived:
                self.lines.append(line.rstrip("\n"))
                self._arrived.notify_all()

    def wait_line(self, pattern: str, after: int = 0) -> str:
        def match() -> str | None:
            return next((x for x in self.lines[after:] if re.search(pattern, x)), None)

        with self._arrived:
            assert self._arrived.wait_for(match, PATIENCE), f"no {pattern!r} in {self.lines}"
            line = match()
        assert line is not None
        return line

    def wait_lines(self, pattern: str, count: int) -> list[str]:
        """All lines that match, once there are `count`: lines written before a reply are read after it."""

        def matches() -> list[str]:
            return [line for line in self.lines if re.search(pattern, line)]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(matches()) >= count, PATIENCE), self.lines
            return matches()

    def command(self, **fields: Any) -> Any:
        """Send a command and return its result."""
        assert self.process.stdin is not None
        before = len(self.lines)
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()
        return json.loads(self.wait_line('^{"done"', before))["done"]

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self._thread.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class MessageBus:
    """A dbus-daemon that can be stopped and started."""

    def __init__(self, where: Path) -> None:
        self.socket = where / "bus"
        self.address = f"unix:path={self.socket}"
        self._config = where / "bus.conf"
        policy = ROOT / "dbus" / f"{names.NAME}.conf"
        self._config.write_text(CONFIG.format(socket=self.socket, policy=policy, user=os.geteuid()))
        self._daemon: Program | None = None
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        argv = ("dbus-daemon", f"--config-file={self._config}", "--nofork", "--print-address")
        self._daemon = Program(*argv, "--nosyslog")
        self._daemon.wait_line("^unix:")

    def allow_name(self, name: str) -> None:
        """Let our user own another name; the bus starts again."""
        rule = f'<policy user="{os.geteuid()}"><allow own="{name}"/><allow send_destination="{name}"/></policy>'
        text = self._config.read_text().replace("</busconfig>", f"{rule}</busconfig>")
        self._config.write_text(text)
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.end()
            self._daemon = None

    def memory(self) -> int:
        """Resident bytes of the dbus-daemon."""
        assert self._daemon is not None
        status = Path(f"/proc/{self._daemon.process.pid}/statm").read_text().split()
        return int(status[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def env(self) -> dict[str, str]:
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.address}


class BusClient:
    """A client that records the signals it receives."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.signals: list[Message] = []
        self._arrived = asyncio.Event()
        connection.on_signal = self._on_signal

    def _on_signal(self, signal: Message) -> None:
        self.signals.append(signal)
        self._arrived.set()

    async def listen(self) -> None:
        await self.connection.add_match(f"type='signal',sender='{names.NAME}'")

    async def call(
        self, interface: str, member: str, signature: str = "", *body: Any, path: str = names.PATH,
        interactive: bool = False,
    ) -> list[Any]:  # fmt: skip
        target = Target(names.NAME, path, interface)
        return await self.connection.call(target, member, signature, body, interactive=interactive)

    async def manager(self, member: str, signature: str = "", *body: Any, **more: Any) -> list[Any]:
        return await self.call(names.MANAGER, member, signature, *body, **more)

    async def expectations(self, member: str, signature: str = "", *body: Any) -> list[Any]:
        return await self.call(names.EXPECTATIONS, member, signature, *body)

    async def wait_signal(
        self, member: str, accept: Callable[[Message], bool] = lambda s: True
    ) -> Message:
        """Return the first signal that fits; each signal is looked at once."""
        match: Message | None = None
        unread = 0

        def search() -> bool:
            nonlocal match, unread
            new, unread = self.signals[unread:], len(self.signals)
            match = next((s for s in new if s.member == member and accept(s)), None)
            return match is not None

        await self.wait_until(search, member)
        assert match is not None
        return match

    async def wait_until(self, condition: Callable[[], bool], name: str) -> None:
        """Wait for a condition, evaluated after each signal."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"no {name} in {[s.member for s in self.signals][-99:]}"
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._arrived.wait()


Starter = Callable[..., Program]
Play = Callable[[Callable[[BusClient], Awaitable[Any]]], Any]
