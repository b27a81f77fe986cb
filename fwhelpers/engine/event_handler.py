"""Acts on the parsers' events: expectations, their withdrawal, the flow's end, dropped packets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fwhelpers.api import Cancel, Done, Drop, Event, Expect, Helper, ParseError, Refuse, Used
from fwhelpers.engine.announcement import MessageContext, Outcome
from fwhelpers.engine.expectation_key import key_of
from fwhelpers.engine.expectations import ExpectationManager
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.verdict import Report


class EventHandler:
    """Passes events to the expectation manager, and reports to `report` as they arise."""

    def __init__(self, expectations: ExpectationManager, report: Callable[[Report], None]) -> None:
        self._expectations = expectations
        self._report = report

    def abandon(self, flow: FlowState, reason: str, kind: str = "poisoned") -> None:
        """End a flow, and withdraw its unused expectations."""
        if not flow.finished:
            flow.finished = reason
            flow.keep_until = 0.0
            self._expectations.cancel(flow, None)
            self._report(Report(kind, flow.helper, flow.flow, reason))

    def handle(
        self, flow: FlowState, context: MessageContext, events: Iterable[Event], now: float
    ) -> Outcome | None:
        """Act on all events of a packet. None: nothing is to be done with it."""
        outcome: Outcome | None = None
        try:
            for event in events:
                if isinstance(event, Expect):
                    if not self._expectations.repeats(flow, context, event, now):
                        result = self._expectations.expect(flow, context, event, now)
                        outcome = result if outcome is None else outcome.joined(result)
                        for report in result.reports:
                            self._report(report)
                elif isinstance(event, Drop):
                    outcome = outcome or Outcome()
                    outcome.drop = True
                    self._report(Report("dropped", flow.helper, flow.flow, event.reason))
                else:
                    self._act(flow, context, event, outcome, now)
        except ParseError as error:
            # the edits of earlier messages apply nevertheless, but these open nothing (G12)
            if outcome is not None:
                outcome.attach.clear()
            self.abandon(flow, str(error))
        except Exception as error:
            # a bug, in a plugin or here
            if outcome is not None:
                outcome.attach.clear()
            self._expectations.cancel(flow, None)
            self.abandon(flow, f"{type(error).__name__}: {error}", "failed")
        return outcome

    def _act(
        self,
        flow: FlowState,
        context: MessageContext,
        event: Refuse | Cancel | Used | Done,
        outcome: Outcome | None,
        now: float,
    ) -> None:
        helper = flow.active.helper
        match event:
            case Refuse():
                report = Report("refused", flow.helper, flow.flow, event.reason, event.rule)
                interface = context.interface
                self._report(report._replace(refused=event.endpoint, interface=interface))
            case Cancel(want=Expect() as expect):
                self._expectations.withdraw(flow, context, expect, now)
            case Cancel():
                cancelled = self._expectations.cancel(flow, _class_of(helper, event.policy))
                if outcome is not None:
                    outcome.attach = [e for e in outcome.attach if key_of(e) not in cancelled]
            case Used():
                self._expectations.forget(flow, _class_of(helper, event.policy))
            case Done():
                flow.finished = event.reason or "done"
                self._report(Report("done", flow.helper, flow.flow, flow.finished))


def _class_of(helper: Helper, policy: str) -> int | None:
    names = [p.name for p in helper.policies]
    return names.index(policy) if policy else None
