"""What a service manager starts: the manager and its workers."""

from __future__ import annotations
