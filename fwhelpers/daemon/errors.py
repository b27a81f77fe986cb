"""What keeps the daemon from its work."""

from __future__ import annotations


class StartError(Exception):
    """Why the daemon can't start, or can't go over to a configuration, for people; `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
