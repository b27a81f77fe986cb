/* The state that the page shows. No access to the document or to D-Bus. */
"use strict";

/* Cockpit writes a variant as { t: signature, v: value }, at any depth. */
function unwrap(value) {
    if (Array.isArray(value))
        return value.map(unwrap);
    if (value === null || typeof value !== "object")
        return value;
    if (Object.keys(value).length === 2 && typeof value.t === "string" && "v" in value)
        return unwrap(value.v);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
}

function end(host, port) {
    return (host.includes(":") ? `[${host}]` : host) + `:${port}`;
}

function isFullMask(mask) {
    return mask === "255.255.255.255" || mask === "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
}

function describeExpected(values) {
    const source = isFullMask(values.source_mask) ? values.source : cockpit.format(_("$0 mask $1"), values.source, values.source_mask);
    const port = values.source_port_mask ? values.source_port : _("any");
    return `${values.transport} ${end(source, port)} → ${end(values.destination, values.destination_port)}`;
}

function describeConnection(values) {
    return `${end(values.source, values.source_port)} → ${end(values.destination, values.destination_port)}`;
}

/* Text from the network as one line: control and format characters are written as escapes. */
function printable(text) {
    return String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, c => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/* The connection that an expectation is for, as `fwhelpers explain` takes it; null for one without ports. */
function questionOf(values) {
    if (!["tcp", "udp"].includes(values.transport))
        return null;
    const used = values.connections[0];
    if (used)
        return [used.source, used.destination, used.destination_port, used.transport, used.source_port].map(String);
    // one that is open to any source: ask for the other host of the control connection
    const ends = [values.master.source, values.master.destination];
    const any = ["0.0.0.0", "::"].includes(values.source_mask);
    const source = any ? ends.find(host => host !== values.destination) ?? values.source : values.source;
    return [source, values.destination, values.destination_port, values.transport].map(String);
}

/* The arguments of the command for a question, which may come from a link; null if it makes no sense. */
function explainCommand([source = "", destination = "", port = "", transport = "tcp", sport = ""]) {
    const isPort = text => /^[0-9]{1,5}$/.test(text);
    const isAddress = text => /^[0-9a-fA-F:.]{2,45}$/.test(text);
    if (!isAddress(source) || !isAddress(destination) || !isPort(port) || !["tcp", "udp"].includes(transport) || (sport && !isPort(sport)))
        return null;
    return ["fwhelpers", "explain", "--json", "--l4", transport, ...(sport ? ["--sport", sport] : []), "--", source, destination, port];
}

/* Has polkit or the policy of the bus refused a call? */
function isDenial(error) {
    return error.name === "io.github.fwhelpers.FwHelpers1.Error.NotAuthorized" || error.name === "org.freedesktop.DBus.Error.AccessDenied";
}

/* Why a call failed. An error of ours means that a reply lacks what the page shows. */
function reasonOf(error) {
    const isReply = error.problem || String(error.name).includes(".");
    return isReply ? error.message || error.name || error.problem : _("it is of another version");
}

/* `connected`: to the bus; `present`: the service is on the bus; `running`: it has answered; `problem`: why it does not. */
function newState() {
    return {
        connected: false, present: false, running: false, problem: "", summary: null, helpers: [], numbers: {}, workers: [],
        expectations: null, refusals: null, denied: false, zones: null, explanation: null,
    };
}
