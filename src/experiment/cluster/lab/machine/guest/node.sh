#!/bin/sh
# Gives the machine its name, its address and its first state from the disk that the lab gave it.
set -e
. /run/lab/node.env
hostname "$NAME"
# Servers bind the floating address while another node holds it.
echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || true
ip addr add "$ADDRESS/24" brd + dev eth0
# A server without a cluster holds its address by itself.
[ -z "$ALONE" ] || ip addr add "$ALONE/24" dev eth0
ip link set eth0 up
# What keepalived watches: 1 until the SIP server is up.
echo 1 >/run/lab-sip-down
# The lab starts the servers one by one the first time; from then on the machine does it by itself.
[ ! -e /run/lab/autostart ] || systemctl start --no-block lab.target
