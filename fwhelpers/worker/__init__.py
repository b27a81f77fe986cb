"""The sandboxed worker process: reads one NFQUEUE, inspects, and sends verdicts.

It may import the standard library, `api`, `discovery`, `sansio`, `engine`, `kernel`, `plugin` and
`registration.cthelpers`, and nothing else.
"""

from __future__ import annotations
