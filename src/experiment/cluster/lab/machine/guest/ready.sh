#!/bin/sh
# Waits until a server has its port (`udp 5060`, `tcp 5222`), or a command succeeds (`command …`).
kind=$1
shift
while :; do
    case $kind in
    command) "$@" >/dev/null 2>&1 && exit 0 ;;
    *) [ -z "$(ss -H -l -n --"$kind" "sport = :$1")" ] || exit 0 ;;
    esac
    sleep 0.05
done
