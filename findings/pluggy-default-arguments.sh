#!/bin/bash
# Title: pluggy never passes an argument for which the implementation of a hook has a default.
# Version: pluggy 1.6.0; 1.0.0 as well
# Guess: arguments go by name; a default counts if the caller passes nothing, as in any call.
# Seen: def f(a, b=5) gets b=5 for f(a=1, b=2), without a warning. A keyword-only argument is not passed either, so
#       that the call fails with TypeError (2026-11-30).
# Here: the only hook of fwhelpers has no arguments (plugin/hookspecs.py).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
cat >"$work/hooks.py" <<'END'
import pluggy

spec, impl = pluggy.HookspecMarker("x"), pluggy.HookimplMarker("x")


class Spec:
    @spec
    def f(self, a, b):
        pass


class Plain:
    @impl
    def f(self, a, b):
        return b


class Default:
    @impl
    def f(self, a, b=5):
        return b


class KeywordOnly:
    @impl
    def f(self, a, *, b):
        return b


for plugin in (Plain, Default, KeywordOnly):
    manager = pluggy.PluginManager("x")
    manager.add_hookspecs(Spec)
    manager.register(plugin())
    try:
        print(f"{plugin.__name__}: {manager.hook.f(a=1, b=2)}")
    except TypeError as error:
        print(f"{plugin.__name__}: {error}")
END
for version in 1.6.0 1.0.0; do
    pips pluggy==$version
    expect "$version" "Plain: [2]
Default: [5]
KeywordOnly: KeywordOnly.f() missing 1 required keyword-only argument: 'b'" "$("$python" "$work/hooks.py")"
done
finish
