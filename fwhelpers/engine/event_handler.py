"""What the parsers' events lead to: expectations, their end, the flow's end, a packet dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fwhelpers.api import Cancel, Done, Drop, Event, Expect, Helper, ParseError, Refuse, Used
from fwhelpers.engine.expectations import ExpectationManager, MessageContext
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.flow_table import Active
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.verdict import ACCEPT, Report, Verdict


class EventHandler:
    """Acts on events, through the announcer, and tells of it."""

    def __init__(self, announcer: ExpectationManager, tell: Callable[[Report], None]) -> None:
        self._announcer = announcer
        self._tell = tell

    def give_up(self, state: FlowState, reason: str, kind: str = "poisoned") -> None:
        """End a flow; what it announced and nobody used is taken back."""
        if not state.finished:
            state.finished = reason
            state.keep_until = 0.0
            self._announcer.cancel(state, None)
            self._tell(Report(kind, state.helper, state.flow, reason))

    def all(
        self,
        active: Active,
        state: FlowState,
        place: MessageContext,
        events: Iterable[Event],
        edits: list[Edit],
        now: float,
    ) -> Verdict:
        """Act on all that a packet brought; adds the rewriting that is needed to `edits`."""
        verdict = ACCEPT
        try:
            for event in events:
                verdict = self._one(active, state, place, event, edits, now, verdict)
        except ParseError as error:
            # what came before the bad bytes is rewritten all the same, but opens nothing (G12)
            self.give_up(state, str(error))
        return verdict

    def _one(
        self,
        active: Active,
        state: FlowState,
        place: MessageContext,
        event: Event,
        edits: list[Edit],
        now: float,
        verdict: Verdict,
    ) -> Verdict:
        if isinstance(event, Expect):
            edit = self._announcer.expect(active.helper, active.limits, state, place, event, now)
            if edit:
                edits.append(edit)
        elif isinstance(event, Refuse):
            told = Report("refused", state.helper, state.flow, event.reason, event.rule)
            self._tell(told._replace(refused=event.endpoint, interface=place.interface))
        elif isinstance(event, Cancel) and event.want is not None:
            self._announcer.withdraw(active.helper, active.limits, state, place, event.want)
        elif isinstance(event, (Cancel, Used)):
            klass = _class_of(active.helper, event.policy)
            settle = self._announcer.cancel if isinstance(event, Cancel) else self._announcer.spent
            settle(state, klass)
        elif isinstance(event, Done):
            state.finished = event.reason or "done"
            self._tell(Report("done", state.helper, state.flow, state.finished))
        elif isinstance(event, Drop):
            self._tell(Report("dropped", state.helper, state.flow, event.reason))
            return verdict.but(accept=False)
        return verdict


def _class_of(helper: Helper, policy: str) -> int | None:
    names = [p.name for p in helper.policies]
    return names.index(policy) if policy else None
