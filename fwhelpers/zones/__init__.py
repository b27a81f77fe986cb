"""Which helper acts where, told by firewalld's zones and policies. Pure: who asks firewalld is daemon/firewalld.py."""

from __future__ import annotations
