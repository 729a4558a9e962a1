#!/bin/sh
# Obeys the lab over a virtio port, which is no network: a line is `ID COMMAND`, its answer `ID EXIT-CODE OUTPUT`
# with the output in base64.
port=/dev/virtio-ports/fivenines
while [ ! -e "$port" ]; do sleep 0.1; done
exec 3<>"$port"
while read -r id line <&3; do
    output=$(timeout 30 sh -c "$line" 2>&1 3<&-)
    code=$?
    printf '%s %s %s\n' "$id" "$code" "$(printf %s "$output" | base64 -w0)" >&3
done
