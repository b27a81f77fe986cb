"""The terminal: keys in, lines out. The only module that draws with Rich."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from fwhelpers.cli.bus_errors import explain
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.top.feed import Feed
from fwhelpers.cli.top.keys import KeyDecoder
from fwhelpers.cli.top.model import Model
from fwhelpers.cli.top.view import lines
from fwhelpers.dbus.errors import MissingLibrary

REDRAW = 0.2  #: seconds between changes of the screen at least; slow lines need it
CLOCK = 1.0  #: seconds after which it is drawn in any case, for the countdowns


def run(interval: float) -> int:
    """Show the view until the user quits. Raises CliError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise CliError("`top` needs a terminal", "`fwhelpers status` and `monitor` need none")
    try:
        asyncio.run(Screen(interval).run())
    except MissingLibrary as error:
        raise explain(error) from None
    return 0


class Screen:
    """Draws a model while a feed changes it."""

    def __init__(self, interval: float) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._model = Model()
        self._changed = asyncio.Event()
        self._quit = asyncio.Event()
        self._keys = KeyDecoder()
        self._feed = Feed(self._model, interval, self._changed.set)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._quit.set)
        loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with _raw_terminal(), live:
            loop.add_reader(sys.stdin.fileno(), self._read_keys)
            tasks = [loop.create_task(self._feed.run()), loop.create_task(self._draw(live))]
            end = loop.create_task(self._quit.wait())
            try:
                await asyncio.wait([*tasks, end], return_when=asyncio.FIRST_COMPLETED)
            finally:
                loop.remove_reader(sys.stdin.fileno())
                for task in (*tasks, end):
                    task.cancel()
                results = await asyncio.gather(*tasks, end, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _draw(self, live: Live) -> None:
        while True:
            self._changed.clear()
            size = self._console.size
            screen = lines(self._model, size.width, size.height, time.monotonic(), time.time())
            texts = [Text(line.text, line.style, no_wrap=True) for line in screen]
            live.update(Group(*texts), refresh=True)
            await asyncio.sleep(REDRAW)
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOCK - REDRAW):
                    await self._changed.wait()

    def _read_keys(self) -> None:
        data = os.read(sys.stdin.fileno(), 1024)
        if not data:  # the terminal is gone
            self._quit.set()
        for key in self._keys.feed(data):
            if key in (" ", "p") and not self._model.is_typing:
                self._model.toggle_pause(time.monotonic())
            elif not self._model.on_key(key):
                self._quit.set()
        self._changed.set()


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Read keys one by one, without echo. ^C keeps its meaning; ^Z would leave the screen as it is."""
    fd = sys.stdin.fileno()
    former = termios.tcgetattr(fd)
    restore = partial(termios.tcsetattr, fd, termios.TCSADRAIN, former)
    tty.setcbreak(fd)
    mode = termios.tcgetattr(fd)
    mode[6][termios.VSUSP] = b"\0"  # disabled (_POSIX_VDISABLE)
    termios.tcsetattr(fd, termios.TCSADRAIN, mode)
    try:
        yield
    finally:
        with suppress(termios.error):
            restore()
