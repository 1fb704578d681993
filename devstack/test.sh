#!/usr/bin/env bash
# Runs all tests. The last line is their number: "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0

# The end-to-end tests start the programs, so these are built first. All targets are, because the tests' own dependencies
# switch features on: built alone, the programs would be compiled once more for the tests.
devstack/fetch.py &
fetching=$!
trap 'rm -f "$output"; kill "$fetching" 2> /dev/null || true' EXIT
cargo build --workspace --all-targets --locked
wait "$fetching"
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$output" || status=$?
"$(devstack/fetch.py --python ops/requirements.txt)" -m unittest discover -s ops/tests -p '*_test.py' 2>&1 |
    tee -a "$output" || status=$?
python3 -m unittest discover -s load -p '*_test.py' 2>&1 | tee -a "$output" || status=$?

# Adds up the results: "test result: ok. 7 passed; 0 failed; …" of each Rust test program; "Ran 5 tests in …" and
# "FAILED (failures=1, errors=1)" of Python's.
awk '
    /^test result:/ { passed += $4; failed += $6 }
    /^Ran [0-9]+ tests? in/ { passed += $2 }
    /^FAILED \(/ {
        line = $0
        while (match(line, /(failures|errors)=[0-9]+/)) {
            split(substr(line, RSTART, RLENGTH), part, "=")
            passed -= part[2]; failed += part[2]
            line = substr(line, RSTART + RLENGTH)
        }
    }
    END { printf "%d passed, %d failed\n", passed, failed; exit passed == 0 || failed > 0 }
' "$output" || status=$?
exit "$status"
