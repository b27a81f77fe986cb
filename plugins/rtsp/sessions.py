"""What the sessions of a connection have opened, by stream."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from fwhelpers.api import Expect

MAX_SESSIONS = 8
MAX_ANNOUNCED = 64  #: announcements of a session that are remembered
MAX_ALL = 128  #: announcements of all sessions that are remembered


class Session:
    """One session."""

    def __init__(self) -> None:
        self._streams: dict[bytes, dict[Expect, None]] = {}  # by the URL of their SETUP

    def __len__(self) -> int:
        return sum(map(len, self._streams.values()))

    def __iter__(self) -> Iterator[Expect]:
        for expects in self._streams.values():
            yield from expects

    def set_up(self, url: bytes, expects: Iterable[Expect]) -> None:
        """Take the announcements of a SETUP. Streams without a URL of their own share that of the session."""
        self._streams.setdefault(url, {}).update(dict.fromkeys(expects))
        while len(self) > MAX_ANNOUNCED:
            self._forget_oldest()

    def tear_down(self, url: bytes) -> list[Expect]:
        """Forget one stream if the URL is that of one among others, otherwise all; return what is void."""
        if url in self._streams and len(self._streams) > 1:
            former, kept = self._streams.pop(url), set(self)
            return [expect for expect in former if expect not in kept]
        void = list(dict.fromkeys(self))
        self._streams.clear()
        return void

    def _forget_oldest(self) -> None:
        url, expects = next(iter(self._streams.items()))
        expects.pop(next(iter(expects), None), None)  # type: ignore[arg-type]
        if not expects:
            del self._streams[url]


class Sessions:
    """The sessions of one connection, by their names. The oldest are forgotten first."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of announcements that are remembered."""
        return sum(map(len, self._sessions.values()))

    def get(self, name: bytes) -> Session:
        """Return a session, an empty one that is not kept if there is none."""
        return self._sessions.get(name) or Session()

    def set_up(self, name: bytes, url: bytes, expects: Iterable[Expect]) -> None:
        """Take the announcements of a SETUP, into a new session if there is none of the name."""
        self._sessions.setdefault(name, Session()).set_up(url, expects)
        self._sessions.move_to_end(name)
        while len(self._sessions) > MAX_SESSIONS or len(self) > MAX_ALL:
            self._sessions.popitem(last=False)

    def tear_down(self, name: bytes, url: bytes) -> Iterator[Expect]:
        """End a session or one of its streams; all sessions if there is no name. Yield what is void."""
        for key in [name] if name else list(self._sessions):
            session = self._sessions.get(key)
            if session is None:
                continue
            yield from session.tear_down(url)
            if not session:
                del self._sessions[key]
