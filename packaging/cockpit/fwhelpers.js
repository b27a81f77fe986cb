/* Connects the page to the service over D-Bus, with the rights of the user alone. */
"use strict";

const NAME = "io.github.fwhelpers.FwHelpers1";
const PATH = "/io/github/fwhelpers/FwHelpers1";
const BUS = "org.freedesktop.DBus";
const RETRY = 5000; // ms between attempts to reach the bus
const PAUSE = 1000; // ms between two refreshes
const SLOW = 10000; // ms; what is not signalled

const state = newState();
let client = null;
let subscription = null;
let timer = null;
let again = false;
let shown = "";

/* Not bound to the service's name: binding would start the service. */
function connect() {
    const bus = cockpit.dbus(null, { bus: "system", superuser: "try" });
    client = bus;
    bus.addEventListener("close", () => {
        if (client !== bus)
            return;
        subscription = null;
        Object.assign(state, { connected: false, present: false, running: false });
        redraw();
        window.setTimeout(connect, RETRY);
    });
    bus.subscribe({ name: BUS, interface: BUS, member: "NameOwnerChanged", arg0: NAME }, (_path, _interface, _signal, [name, , owner]) => {
        if (name === NAME)
            setRunning(owner !== "");
    });
    check();
}

/* Ask the bus whether the service is there. */
function check() {
    const bus = client;
    bus.call("/org/freedesktop/DBus", BUS, "NameHasOwner", [NAME], { name: BUS, type: "s" })
            .then(([owned]) => {
                if (!state.connected || owned !== state.present)
                    setRunning(owned);
            })
            .catch(() => bus.close());
}

/* Only while it is on the bus, as a match for its name could start it. */
function subscribe() {
    subscription ??= client.subscribe({ name: NAME, path: PATH }, (_path, _interface, signal) => {
        if (signal === "RulesetReplaced")
            askZones();
        refresh();
    });
}

function call(member, type = "", args = [], options = {}) {
    const part = ["List", "ListRefusals"].includes(member) ? "Expectations" : "Manager";
    return client.call(PATH, `${NAME}.${part}`, member, args, { name: NAME, type, ...options }).then(unwrap);
}

function setRunning(running) {
    state.connected = true;
    state.present = running;
    if (running) {
        subscribe();
        refresh();
        askZones();
    } else {
        subscription?.remove();
        subscription = null;
        Object.assign(state, { running: false, problem: "" });
        redraw();
    }
}

/* Ask for everything, at most once in a while. */
function refresh() {
    if (timer !== null) {
        again = true;
        return;
    }
    timer = window.setTimeout(() => {
        timer = null;
        if (again) {
            again = false;
            refresh();
        }
    }, PAUSE);
    ask().catch(fail);
}

/* The service or the bus may have ended. A service that stays is asked again later. */
function fail(error) {
    check();
    if (!state.present)
        return;
    state.problem = reasonOf(error);
    try {
        redraw();
    } catch { // a reply without what the page shows: of another version
        state.running = false;
        redraw();
    }
}

async function ask() {
    const [properties] = await client.call(PATH, "org.freedesktop.DBus.Properties", "GetAll", [`${NAME}.Manager`], { name: NAME, type: "s" });
    const [helpers] = await call("ListHelpers");
    const [numbers, , workers] = await call("GetStatistics");
    Object.assign(state, { summary: unwrap(properties), helpers, numbers, workers, running: true, problem: "" });
    await askDetails();
    redraw();
}

/* What only some users may see. */
async function askDetails() {
    try {
        state.expectations = await listExpectations();
        state.denied = false;
        [state.refusals] = await call("ListRefusals", "a{sv}", [{}]);
    } catch (error) {
        if (!isDenial(error))
            throw error;
        state.expectations = state.refusals = null;
        state.denied = true;
    }
}

async function listExpectations() {
    const rows = [];
    let after = "";
    do {
        const filter = after ? { after: cockpit.variant("s", after) } : {};
        const [page, next] = await call("List", "a{sv}", [filter]);
        rows.push(...page);
        after = next;
    } while (after && rows.length < 4096);
    return rows;
}

/* Zones are firewalld's; the command knows how they assign helpers. */
function askZones() {
    cockpit.spawn(["fwhelpers", "zones", "--json"], { superuser: "try", err: "ignore" })
            .then(output => {
                state.zones = JSON.parse(output).zones;
                redraw();
            })
            .catch(() => { state.zones = null });
}

/* Ask what the address of the page asks for, once. With the user's rights, and as root with administrative access. */
function explain() {
    const [page, ...words] = cockpit.location.path;
    const key = JSON.stringify(words);
    if (page !== "explain" || key === state.explanation?.key)
        return;
    const command = explainCommand(words);
    const explanation = { key, result: null, problem: command ? "" : _("Enter two IP addresses and a port.") };
    state.explanation = explanation;
    if (!command)
        return;
    // the exit status says yes, no or unknown; an error prints no JSON
    const read = (error, output) => {
        try {
            explanation.result = JSON.parse(output);
        } catch {
            explanation.problem = error?.message || _("The command fwhelpers failed.");
        }
        redraw();
    };
    cockpit.spawn(command, { superuser: "try", err: "message" }).then(output => read(null, output), read);
}

const actions = {
    open(name) {
        cockpit.location.go(name ? ["helper", name] : []);
    },
    explain(words) {
        state.explanation = null; // ask again, although the question is the same
        cockpit.location.go(["explain", ...words.filter(word => word !== "")]);
        explain();
        redraw();
        document.getElementById("page").focus();
    },
    toggle(helper, button) {
        if (button.getAttribute("aria-disabled"))
            return;
        button.setAttribute("aria-disabled", "true"); // a disabled one would lose the focus
        const member = helper.enabled ? "DisableHelper" : "EnableHelper";
        // "i": polkit may ask the user for a password
        call(member, "sa{sv}", [helper.name, {}], { flags: "i" })
                .then(() => showError(null))
                .catch(showError)
                .finally(() => {
                    button.removeAttribute("aria-disabled");
                    ask().catch(fail);
                });
    },
};

function showError(error) {
    const text = !error ? "" : isDenial(error) ? _("You may not enable or disable helpers: ask for the polkit action manage-helpers.") : error.message ?? error;
    document.getElementById("alert").textContent = printable(text);
}

function redraw() {
    const path = cockpit.location.path;
    // an equal page keeps its nodes, and with them selection, scrolling and what is typed
    const picture = JSON.stringify(path[0] === "explain" ? [path, state.explanation] : [state, path]);
    if (picture === shown)
        return;
    shown = picture;
    draw(state, path, actions);
}

/* Cockpit's choice of style, or the browser's. */
function applyStyle() {
    const style = window.localStorage.getItem("shell:style") ?? "auto";
    const dark = style === "dark" || (style === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.classList.toggle("dark", dark);
}

document.addEventListener("DOMContentLoaded", () => {
    document.title = _("Connection helpers");
    document.documentElement.lang = cockpit.language || "en";
    applyStyle();
    window.addEventListener("storage", applyStyle);
    window.addEventListener("cockpit-style", applyStyle);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyStyle);
    cockpit.addEventListener("locationchanged", () => {
        explain();
        redraw();
    });
    window.setInterval(() => { if (state.present) refresh() }, SLOW);
    explain();
    redraw();
    connect();
});
