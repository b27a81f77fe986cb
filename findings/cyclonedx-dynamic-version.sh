#!/bin/bash
# Title: cyclonedx-py leaves out the version of a project that pyproject.toml calls dynamic, although it is installed.
# Version: cyclonedx-bom 7.5.0
# Guess: the SBOM of an environment takes what pyproject.toml leaves open from the installed metadata, as for every
#        other component; or it warns, or --validate objects.
# Seen: `environment --pyproject` takes the installed project out of the components and puts a root component without
#       version and purl in its place. It exits with 0, says nothing, and the result is valid (2026-11-30).
# Here: packaging/release/build.py hands it a copy of pyproject.toml that states the version.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips cyclonedx-bom==7.5.0 setuptools==84.2.1 pluggy==1.7.0
mkdir "$work/project"
cd "$work/project" || exit 2
echo '__version__ = "1.5"' >fwproject.py
cat >pyproject.toml <<'END'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "fwproject"
dynamic = ["version"]
dependencies = ["pluggy"]
[tool.setuptools]
py-modules = ["fwproject"]
[tool.setuptools.dynamic]
version = { attr = "fwproject.__version__" }
END
"$work/venv/bin/pip" -q install --no-build-isolation . >"$work/install.log" 2>&1 || cannot "$(tail -n 1 "$work/install.log")"

describe() { # OPTION...: the project's version as a component and as the root, and what is said beside it
    "$work/venv/bin/cyclonedx-py" environment "$@" --validate --of JSON -o "$work/bom.json" "$python" 2>"$work/said" || echo failed
    "$python" - "$work/bom.json" <<'END'
import json, sys

bom = json.load(open(sys.argv[1]))
versions = [c.get("version") for c in bom["components"] if c["name"] == "fwproject"]
print("component", *versions, "root", bom["metadata"].get("component", {}).get("version"))
END
    cat "$work/said"
}
expect "environment alone" "component 1.5 root None" "$(describe)"
expect "dynamic version" "component root None" "$(describe --pyproject pyproject.toml)"
sed 's/dynamic = .*/version = "1.5"/' pyproject.toml >stated.toml
expect "stated version" "component root 1.5" "$(describe --pyproject stated.toml)"
finish
