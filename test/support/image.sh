#!/bin/sh
# One process of an image, as `docker build` and `docker run` start it, without Docker: in namespaces of mounts and
# processes of its own, with the machine's programs, and nothing else of the machine, below a root of its own.
#     unshare --mount --pid --fork --kill-child sh image.sh ROOT PYTHON MODE USER WORKDIR [NAME=VALUE…] COMMAND…
# ROOT: a folder that holds what the image has changed. PYTHON: the prefix of an interpreter, whose changes it holds too.
# MODE: rw, or ro for a root that nobody may write.
set -eu
root=$1/root python=$2 mode=$3 user=$4 workdir=$5 changed=$1/python
shift 5
mkdir -p "$changed/upper" "$changed/work" "$root$workdir" "$root$python"
for folder in usr etc/ssl proc dev tmp root; do mkdir -p "$root/$folder"; done
for link in bin lib lib64 sbin; do [ ! -L "/$link" ] || [ -L "$root/$link" ] || ln -s "usr/$link" "$root/$link"; done
for file in passwd group hosts resolv.conf nsswitch.conf ld.so.cache; do cp "/etc/$file" "$root/etc/$file"; done

mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind -o ro /usr "$root/usr"
mount --bind -o ro /etc/ssl "$root/etc/ssl"
mount -t overlay -o "lowerdir=$python,upperdir=$changed/upper,workdir=$changed/work" python "$root$python"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs dev "$root/dev"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
if [ "$mode" = ro ]; then
  mount -o remount,ro,bind "$root"
  mount -o remount,ro "$root$python"
fi
# shellcheck disable=SC2016
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
  --inh-caps=-all --bounding-set=-all \
  env -i -C "$workdir" "PATH=$python/bin:/usr/bin:/bin" "$@"
