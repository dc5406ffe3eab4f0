#!/bin/sh
# What udhcpc and dhclient call when they have a lease: puts the address and the way out on the device, and
# leaves everything else of the machine alone.
case "${1:-}${reason:-}" in
bound | renew | BOUND | RENEW | REBIND | REBOOT)
  mask=${mask:-}${new_subnet_mask:-}
  size=24
  case $mask in 20 | 255.255.240.0) size=20 ;; esac
  ip address replace "${ip:-}${new_ip_address:-}/$size" dev "$interface"
  ip route replace default via "${router:-}${new_routers:-}"
  ;;
esac
exit 0
