#!/bin/sh
# Runs a scenario and compares it with the committed baseline. Exit code 0: failover is as fast as it was;
# 1: it is slower, or a threshold failed; 4: it cannot be told.
#
#   gate.sh            run and compare
#   gate.sh --accept   run, and make the result the new baseline
#
# FIVENINES  the program (default: fivenines)          SCENARIO  default: failover.toml beside this script
# OUT        where everything goes (default: gate-out) BASELINE  default: baseline.json beside this script
set -u
here=$(cd "$(dirname "$0")" && pwd)
fivenines=${FIVENINES:-fivenines}
scenario=${SCENARIO:-$here/failover.toml}
baseline=${BASELINE:-$here/baseline.json}
out=${OUT:-gate-out}

mkdir -p "$out" || exit 3
"$fivenines" run "$scenario" --out "$out/run"
ran=$?
# 1 is a broken threshold: the comparison may say why. 4 is a void measurement: nothing can be compared with it.
case $ran in 0 | 1) ;; *) exit "$ran" ;; esac

if [ "${1:-}" = --accept ]; then
    "$fivenines" compare --write-baseline "$baseline" "$out/run" || exit
    exit "$ran"
fi

"$fivenines" compare "$baseline" "$out/run" --junit "$out/compare.xml" --markdown >"$out/compare.md"
compared=$?
# Workflow commands are read from standard output; the Markdown becomes the summary of the job.
"$fivenines" compare "$baseline" "$out/run" --annotations
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    cat "$out/compare.md" >>"$GITHUB_STEP_SUMMARY"
fi
[ "$compared" -eq 0 ] || exit "$compared"
exit "$ran"
