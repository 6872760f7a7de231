/** The two shell scripts that run as the guest's first process, before and after the real root. */

/** Folder for control files below the shared folder, see guest.mjs. */
export const controlFolder = '.guest';

/**
 * In the initial RAM disk, by busybox. The shared folder gets the same path in the guest that it has
 * here, so that file names mean the same on both sides.
 */
export const firstInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
fail() { echo "oxmem guest: $1"; poweroff -f; }

for module in /modules/*; do insmod "$module" || fail "cannot load $module"; done
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o ro,$options,cache=loose root /lower || fail 'no root of the host'
mount -t 9p -o rw,$options,cache=none share /share || fail 'no shared folder'
mount -t tmpfs -o size=75% tmpfs /layer && mkdir /layer/upper /layer/work
layers=lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work
mount -t overlay -o $layers overlay /newroot || fail 'no writable layer'

. /share/${controlFolder}/settings
mkdir -p "/newroot$share" && mount --move /share "/newroot$share" || fail 'share stays away'
for folder in proc sys dev; do mount --move /$folder /newroot/$folder; done
mount -t tmpfs -o mode=755 tmpfs /newroot/run
mkdir /newroot/run/oxmem
cp /bin/busybox /second-init "/newroot$share/${controlFolder}/settings" /newroot/run/oxmem/
exec switch_root /newroot /bin/sh /run/oxmem/second-init
fail 'the root cannot be entered'
`;

/** On the host's files below a writable layer, by the host's shell. */
export const secondInit = `. /run/oxmem/settings
control="$share/${controlFolder}"
export PATH HOME=/root LC_ALL=C

mkdir -p "/lib/modules/$(uname -r)" && mount --bind "$modules" "/lib/modules/$(uname -r)"
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -sf /proc/self/fd /dev/fd
echo oxmem-guest >/proc/sys/kernel/hostname
ip link set lo up
# udev would give a veth pair other addresses a moment after it was made.
mkdir -p /run/systemd/network && ln -s /dev/null /run/systemd/network/99-default.link
for udevd in /lib/systemd/systemd-udevd /usr/lib/systemd/systemd-udevd; do
  [ -x $udevd ] && { $udevd --daemon; break; }
done

cut -d' ' -f1 /proc/uptime >"$control/uptime"
sh "$control/command" </dev/null >"$control/output" 2>&1
echo $? >"$control/status.new" && mv "$control/status.new" "$control/status"
exec /run/oxmem/busybox poweroff -f
`;
