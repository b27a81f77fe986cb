/* Draws "why is this open?": the question, and the answer of `fwhelpers explain`. */
"use strict";

const FIELDS = [
    ["source", _("From address")],
    ["destination", _("To address")],
    ["port", _("To port")],
    ["transport", _("Transport")],
    ["sport", _("From port (may be empty)")],
];

function back(actions) {
    const click = event => { event.preventDefault(); actions.open("") };
    return node("p", null, node("a", { href: "#", id: "back", click }, _("All helpers")));
}

/* The link from an expectation to its reason. */
function why(values, actions) {
    const words = questionOf(values);
    if (words === null)
        return "-";
    const click = event => { event.preventDefault(); actions.explain(words) };
    const label = cockpit.format(_("Why is $0 open?"), describeExpected(values));
    return node("a", { href: "#", id: `why-${values.id}`, "aria-label": printable(label), click }, _("why?"));
}

function questionLink(actions) {
    const click = event => { event.preventDefault(); actions.explain([]) };
    return node("p", null, node("a", { href: "#", id: "ask", click }, _("Why is a connection open, or why not?")));
}

function field(name, label, value) {
    const id = `explain-${name}`;
    const input = name === "transport"
        ? node("select", { id }, ...["tcp", "udp"].map(l4 => node("option", { selected: l4 === value }, l4)))
        : node("input", { id, type: "text", size: name.endsWith("port") ? 6 : 24, value, required: name !== "sport" });
    return node("div", { class: "field" }, node("label", { for: id }, label), input);
}

function question(words, actions) {
    const submit = event => {
        event.preventDefault();
        actions.explain(FIELDS.map(([name]) => document.getElementById(`explain-${name}`).value.trim()));
    };
    return section(_("Connection"),
        note(_("Asks whether a connection is let in, or would be, and by which rule, zone, helper and expectation.")),
        node("form", { id: "explain", submit, novalidate: true },
            ...FIELDS.map(([name, label], index) => field(name, label, words[index] ?? "")),
            node("button", { type: "submit", id: "explain-submit" }, _("Explain"))));
}

function explainPage(state, words, actions) {
    return [back(actions), node("h1", null, _("Why is this open?")), question(words, actions), answer(state.explanation, words)];
}

function answer(explanation, words) {
    const box = (...children) => node("section", { role: "status", "aria-label": _("Answer") }, ...children);
    if (explanation === null || !words.length)
        return box();
    if (explanation.problem)
        return box(node("p", { class: "problem" }, explanation.problem));
    if (explanation.result === null)
        return box(note(_("Asking …")));
    const titles = { yes: _("It is let in."), no: _("It is not let in."), unknown: _("It is not known whether it is let in.") };
    const { result } = explanation;
    return box(node("h2", null, titles[result.answer] ?? titles.unknown), node("p", { id: "explain-reason" }, result.reason),
        list(result.facts.map(fact => [fact.topic, fact.text])),
        ...(Object.keys(result.not_queried).length ? [note(_("Administrative access shows more: rules and connections of this system."))] : []));
}
