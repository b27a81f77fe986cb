"""The error of a service that can't do its work."""

from __future__ import annotations


class StartError(Exception):
    """The service can't start, or can't apply a configuration. `hint` suggests a remedy."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
