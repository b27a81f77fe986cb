/* Draws the state. All text becomes text nodes; nothing is parsed as HTML. */
"use strict";

const _ = cockpit.gettext;
const SVG = "http://www.w3.org/2000/svg";

function node(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (typeof value === "function")
            element.addEventListener(name, value);
        else if (value !== false && value !== null && value !== undefined)
            element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children)
        element.append(child instanceof Node ? child : document.createTextNode(printable(child)));
    return element;
}

function section(title, ...children) {
    return node("section", { "aria-label": title }, node("h2", null, title), ...children);
}

function table(caption, titles, rows) {
    const head = node("tr", null, ...titles.map(title => node("th", { scope: "col" }, title)));
    const body = rows.map(cells => node("tr", null, ...cells.map(cell => node("td", null, cell))));
    return node("div", { class: "scroll" },
        node("table", null, node("caption", null, caption), node("thead", null, head), node("tbody", null, ...body)));
}

function list(pairs) {
    return node("dl", null, ...pairs.flatMap(([term, text]) => [node("dt", null, term), node("dd", null, text)]));
}

function note(text) {
    return node("p", { class: "note" }, text);
}

/* Replace the page's content. The element with the keyboard's focus is found again by its id. */
function draw(state, path, actions) {
    const page = document.getElementById("page");
    const focus = document.activeElement?.id;
    const helper = path[0] === "helper" ? state.helpers.find(h => h.name === path[1]) : null;
    if (path[0] === "explain")
        page.replaceChildren(...explainPage(state, path.slice(1), actions));
    else
        page.replaceChildren(...(helper ? helperPage(state, helper, actions) : overview(state, actions)));
    if (focus)
        document.getElementById(focus)?.focus();
}

function overview(state, actions) {
    const parts = [node("h1", null, _("Connection helpers")), statusOf(state)];
    if (state.running) {
        parts.push(helperTable(state, actions), plot(state), questionLink(actions), ...live(state, () => true, actions));
        if (state.zones)
            parts.push(zoneTable(state.zones));
        parts.push(workerTable(state));
    }
    return parts;
}

function statusOf(state) {
    const box = (...children) => node("section", { role: "status", "aria-label": _("Service") }, ...children);
    if (!state.connected)
        return box(node("p", { class: "problem" }, _("The system message bus cannot be reached.")));
    if (!state.present)
        return box(node("p", { class: "problem" }, _("The service is not running.")), note("systemctl start fwhelpers"));
    const failure = state.problem
        ? [node("p", { class: "problem" }, cockpit.format(_("The service does not answer: $0"), state.problem)), note("journalctl -u fwhelpers")]
        : [];
    if (!state.running)
        return box(...failure, ...(failure.length ? [] : [note(_("Asking …"))]));
    const summary = state.summary;
    const text = cockpit.format(_("fwhelpers $0 is running, steering by $1, fail $2."),
        summary.Version, summary.Steering, summary.FailMode);
    const problems = Object.entries(summary.Problems).map(([name, reason]) =>
        node("p", { class: "problem" }, `${name}: ${reason}`));
    return box(...failure, node("p", null, text), ...problems);
}

function helperTable(state, actions) {
    const rows = state.helpers.map(helper => [
        node("a", { href: "#", id: `link-${helper.name}`, click: event => { event.preventDefault(); actions.open(helper.name) } }, helper.name),
        helper.description,
        helper.ports.map(port => `${helper.transports.join("/")} ${port}`).join(", "),
        String(helper.counters.expected ?? 0), String(helper.counters.refused ?? 0),
        toggle(helper, actions),
    ]);
    const titles = [_("Helper"), _("Protocol"), _("Ports"), _("Opened"), _("Refused"), _("Enabled")];
    return section(_("Helpers"), table(_("Installed helpers"), titles, rows));
}

function toggle(helper, actions) {
    const label = cockpit.format(_("Enable helper $0"), helper.name);
    return node("button", {
        type: "button", role: "switch", id: `switch-${helper.name}`, "aria-checked": String(helper.enabled),
        "aria-label": label, click: event => actions.toggle(helper, event.currentTarget),
    }, helper.enabled ? _("on") : _("off"));
}

function plot(state) {
    const counts = { opened: state.numbers.opened_by_minute ?? [], refused: state.numbers.refused_by_minute ?? [] };
    const most = Math.max(1, ...counts.opened, ...counts.refused);
    const sum = kind => counts[kind].reduce((total, count) => total + count, 0);
    const text = cockpit.format(_("$0 opened and $1 refused in the last hour; at most $2 in a minute."),
        sum("opened"), sum("refused"), most);
    const svg = fill(document.createElementNS(SVG, "svg"),
        { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img", "aria-label": text }, []);
    ["opened", "refused"].forEach((kind, side) => {
        counts[kind].forEach((count, index) => {
            const height = 100 * count / most;
            if (height)
                svg.append(fill(document.createElementNS(SVG, "rect"),
                    { class: kind, x: index * 10 + side * 4 + 1, y: 100 - height, width: 4, height }, []));
        });
    });
    return section(_("Opened and refused"), svg,
        node("p", { id: "plot-text" }, text, node("span", { class: "key opened" }, _("opened")), node("span", { class: "key refused" }, _("refused"))));
}

function live(state, wanted, actions) {
    if (state.expectations === null) {
        return [section(_("Expectations and refusals"),
            node("p", null, state.denied ? _("You may not see addresses.") : _("not available")),
            note(_("Turn on administrative access, or ask for the polkit action view-details.")))];
    }
    const expectations = state.expectations.filter(wanted).map(values => [
        values.helper, values.announcement || "-", describeExpected(values),
        values.state === "pending" ? cockpit.format(_("$0 s left"), values.remaining) : _("used"),
        describeConnection(values.master), values.connections.map(describeConnection).join(", ") || "-",
        why(values, actions),
    ]);
    const refusals = (state.refusals ?? []).filter(wanted).reverse().map(values => [
        new Date(values.time * 1000).toLocaleTimeString(), values.helper, values.announcement || "-",
        values.endpoint, `${values.reason} (${values.rule || "-"})`, `${values.client} → ${values.server}`,
    ]);
    return [
        section(_("Expectations"), expectations.length
            ? table(_("Connections that may be opened, or have been"), [_("Helper"), _("Announcement"), _("Expected"), _("State"), _("Control connection"), _("Connections"), _("Reason")], expectations)
            : note(_("There are no expectations."))),
        section(_("Refusals"), refusals.length
            ? table(_("Announcements that opened nothing"), [_("Time"), _("Helper"), _("Announcement"), _("Endpoint"), _("Reason"), _("Control connection")], refusals)
            : note(_("Nothing was refused."))),
    ];
}

function zoneTable(zones) {
    const rows = zones.map(zone => [
        zone.zone + (zone.default ? ` (${_("default")})` : ""),
        [...zone.interfaces, ...zone.sources].join(", ") || "-",
        zone.helpers.map(h => `${h.helper} (${h.reason})`).join(", ") || "-",
    ]);
    return section(_("Zones"), table(_("Helpers by firewalld's zones"), [_("Zone"), _("Members"), _("Helpers")], rows));
}

function workerTable(state) {
    const rows = state.workers.map(w => [
        String(w.queue), w.ready ? _("ready") : _("not ready"), String(w.packets), String(w.overflows), String(w.restarts),
    ]);
    return section(_("Workers"), table(_("Inspection processes"), [_("Queue"), _("State"), _("Packets"), _("Overflows"), _("Restarts")], rows));
}

function helperPage(state, helper, actions) {
    const facts = [
        [_("Plugin"), `${helper.plugin} (${helper.distribution} ${helper.version})`],
        [_("Specification"), helper.specification || "-"],
        [_("Name in the kernel"), helper.kernel_name],
        [_("Ports"), helper.ports.map(port => `${helper.transports.join("/")} ${port}`).join(", ")],
        [_("Interfaces"), helper.interfaces.join(", ") || _("all")],
        [_("Fail mode"), helper.fail_mode],
        ...Object.entries(helper.counters),
    ];
    const settings = helper.settings.map(s => [s.name, s.default, s.description]);
    const policies = helper.policies.map(p => [p.name, String(p.max), String(p.timeout), String(p.min_port)]);
    return [
        back(actions),
        node("h1", null, helper.name),
        section(_("Helper"), node("p", null, helper.description),
            ...(helper.problem ? [node("p", { class: "problem" }, helper.problem)] : []),
            toggle(helper, actions), list(facts)),
        section(_("Limits"), table(_("Expectations of one control connection"), [_("Policy"), _("At most"), _("Seconds"), _("Lowest port")], policies)),
        section(_("Settings"), settings.length
            ? table(cockpit.format(_("Keys of [helpers.$0] in fwhelpers.toml"), helper.name), [_("Setting"), _("Default"), _("Meaning")], settings)
            : note(_("This helper has no settings of its own."))),
        questionLink(actions),
        ...live(state, values => values.helper === helper.name, actions),
    ];
}
