#!/bin/sh
# {{ node }}: tells Pacemaker whether the SIP server works. PID 1 of the node writes 1 into the file when it dies and 0
# when it is up; Pacemaker starts and stops nothing itself.
down() { [ "$(cat /run/lab-sip-down)" != 0 ]; }
case "$1" in
    start) down && exit 1 ;;
    monitor) down && exit 7 ;;
    stop | validate-all) ;;
    meta-data)
        cat <<'END'
<?xml version="1.0"?>
<resource-agent name="sip" version="1">
<version>1.0</version>
<longdesc lang="en">Whether the SIP server of the node works.</longdesc>
<shortdesc lang="en">SIP server</shortdesc>
<parameters/>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
END
        ;;
    *) exit 3 ;;
esac
exit 0
