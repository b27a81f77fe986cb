"""Acts on the parsers' events: expectations, their withdrawal, the flow's end, dropped packets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fwhelpers.api import (
    Cancel,
    Done,
    Drop,
    Event,
    Expect,
    Helper,
    Keep,
    ParseError,
    Refuse,
    Resize,
    Rewrite,
    Used,
)
from fwhelpers.api.event_types import check_event
from fwhelpers.api.failure import describe_failure
from fwhelpers.engine.announcement import MessageContext, Outcome
from fwhelpers.engine.expectation_key import key_of
from fwhelpers.engine.expectations import ExpectationManager
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Refused
from fwhelpers.engine.nat import translated
from fwhelpers.engine.text_rewriting import resize_edit, rewrite_edit
from fwhelpers.engine.verdict import Report

LONGEST_KEPT = 86400  #: seconds for which a control connection may be kept without packets


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
                if flow.finished:
                    continue  # after Done only a ParseError counts
                if isinstance(event, Expect):
                    if self._expectations.repeats(flow, context, event, now):
                        continue
                    check_event(event)
                    result = self._expectations.expect(flow, context, event, now)
                    outcome = result if outcome is None else outcome.joined(result)
                    for report in result.reports:
                        self._report(report)
                    continue
                check_event(event)
                if isinstance(event, (Rewrite, Resize)):
                    outcome = self._rewrite(flow, context, event, outcome)
                elif isinstance(event, Drop):
                    outcome = outcome or Outcome()
                    outcome.drop = outcome.refused = True
                    self._report(Report("dropped", flow.helper, flow.flow, event.reason))
                elif isinstance(event, Refuse):
                    outcome = outcome or Outcome()
                    outcome.refused = True
                    report = Report("refused", flow.helper, flow.flow, event.reason, event.rule)
                    interface = context.interface
                    self._report(report._replace(refused=event.endpoint, interface=interface))
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
            self.abandon(flow, describe_failure(error), "failed")
        return outcome

    def _rewrite(
        self,
        flow: FlowState,
        context: MessageContext,
        event: Rewrite | Resize,
        outcome: Outcome | None,
    ) -> Outcome | None:
        try:
            if isinstance(event, Rewrite):
                if not translated(flow.orig, flow.reply):
                    return outcome
                edit = rewrite_edit(event, flow, context, self._expectations.of(flow))
            else:
                edit = resize_edit(event, context, outcome.edits if outcome else ())
        except Refused as refused:
            rule, reason = refused.refusal
            report = Report("refused", flow.helper, flow.flow, reason, rule)
            self._report(report._replace(interface=context.interface))
            outcome = outcome or Outcome()
            outcome.refused = True
            if isinstance(event, Resize):
                # a message that is longer than it states would break the stream
                begin, end = event.body
                outcome.edits = [e for e in outcome.edits if e.end <= begin or e.start >= end]
            return outcome
        if edit is not None:
            outcome = outcome or Outcome()
            outcome.edits.append(edit)
        return outcome

    def _act(
        self,
        flow: FlowState,
        context: MessageContext,
        event: Cancel | Used | Keep | Done,
        outcome: Outcome | None,
        now: float,
    ) -> None:
        helper = flow.active.helper
        match event:
            case Cancel(want=Expect() as expect):
                self._expectations.withdraw(flow, context, expect, now)
            case Cancel():
                cancelled = self._expectations.cancel(flow, _class_of(helper, event.policy))
                if outcome is not None:
                    outcome.attach = [e for e in outcome.attach if key_of(e) not in cancelled]
            case Used():
                self._expectations.forget(flow, _class_of(helper, event.policy))
            case Keep():
                # an unanswered datagram may have a forged source, and its entry ends after half a minute
                if flow.flow.l4 == "udp" and context.packet.answered:
                    seconds = max(0, min(event.seconds, LONGEST_KEPT))
                    flow.keep_until = max(flow.keep_until, now + seconds)
            case Done():
                flow.finished = event.reason or "done"
                self._report(Report("done", flow.helper, flow.flow, flow.finished))


def _class_of(helper: Helper, policy: str) -> int | None:
    names = [p.name for p in helper.policies]
    return names.index(policy) if policy else None
