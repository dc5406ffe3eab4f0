#!/bin/busybox sh
# The virtual machine's first program: the host's files, read only, with memory over them so that the
# machine may write. /load names the modules this takes, /next the program that goes on from there.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "$module"; done </load
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro hostroot /ro
$b mount -t tmpfs -o size=50% memory /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /newroot
for d in proc sys dev; do $b mount -o move /$d /newroot/$d; done
read -r next </next
exec $b switch_root /newroot "$next" vm-init
