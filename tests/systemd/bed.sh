#!/bin/bash
# bed.sh - boot a real systemd (as pid 1 of its own pid/mount/cgroup/net/uts/ipc namespaces) on a
# throw-away overlay of the host root, in about a second, without systemd being the host's pid 1.
#   bed.sh up            boot; state in $BED (default /run/systemd-bed)
#   bed.sh exec CMD...   run CMD inside (all namespaces); exit status passes through
#   bed.sh down          kill everything inside, remove cgroups
#   bed.sh run CMD...    up + exec + down (down also on failure)
# BED_CGROUP=unified (default): pure cgroup v2 - freeze/kill/Delegate work; memory/pids/cpu controllers only if the
#            host does not hold them on v1.   BED_CGROUP=hybrid: v1 memory+pids controllers + v2 tracking: MemoryMax works, freeze not.
# BED_BIND="path[=where][:rw] ...": host paths to show inside, there or elsewhere (default: the current directory, read-only).
#            Everything else written inside is lost.
# Needs: root, Linux >= 5.x with overlayfs + cgroup2, Debian packages: systemd util-linux (dbus optional).
set -euo pipefail
BED=${BED:-/run/systemd-bed}; MODE=${BED_CGROUP:-unified}; CG=${BED_NAME:-sdbed}
BIND=${BED_BIND-$PWD}
v2root() { awk '{for(i=7;i<=NF;i++) if($i=="-"){ if($(i+1)=="cgroup2"){print $5; exit} }}' /proc/self/mountinfo; }
v1root() { awk -v c="$1" '{for(i=7;i<=NF;i++) if($i=="-"){ if($(i+1)=="cgroup" && (","$(i+3)",") ~ (","c",")){print $5; exit} }}' /proc/self/mountinfo; }
stage2() {   # inside the new namespaces
  mount --make-rprivate /
  R=$BED/root; mkdir -p "$BED/tmp" "$R"
  mount -t tmpfs -o mode=755 bed "$BED/tmp"; mkdir "$BED"/tmp/{up,work}
  mount -t overlay overlay -o "lowerdir=/,upperdir=$BED/tmp/up,workdir=$BED/tmp/work" "$R"
  mount -t proc proc "$R/proc"; mount -t sysfs -o ro sysfs "$R/sys"
  if [ "$MODE" = unified ]; then mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
  else mount -t tmpfs -o mode=755 tmpfs "$R/sys/fs/cgroup"
    mkdir "$R"/sys/fs/cgroup/{unified,systemd,memory,pids}
    mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
    for c in memory pids; do mount -t cgroup -o $c cgroup "$R/sys/fs/cgroup/$c" || rmdir "$R/sys/fs/cgroup/$c"; done
  fi
  mount -t tmpfs -o mode=755 tmpfs "$R/run"; mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"; mount -t tmpfs -o mode=755 tmpfs "$R/dev"
  for n in null zero full random urandom tty; do touch "$R/dev/$n"; mount --bind "/dev/$n" "$R/dev/$n"; done
  mkdir "$R"/dev/{pts,shm}; mount -t devpts -o newinstance,ptmxmode=666 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$R/dev/shm"; for l in fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sf "/proc/self/${l#*:}" "$R/dev/${l%%:*}"; done
  mkdir -p "$R/run/bed"
  for b in $BIND; do p=${b%:rw}; from=${p%%=*}; to=${p#*=}; mkdir -p "$R$to"; mount --rbind "$from" "$R$to"; [ "$b" = "$p" ] && mount -o remount,bind,ro "$R$to"; done
  # a small boot: only what services need; nothing from the host's own enabled units
  find "$R/etc/systemd/system" -mindepth 1 -maxdepth 1 -name '*.wants' -exec rm -rf {} +
  for u in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-timesyncd.service systemd-networkd.service systemd-resolved.service systemd-logind.service systemd-binfmt.service systemd-modules-load.service systemd-hwdb-update.service systemd-random-seed.service systemd-boot-system-token.service systemd-pcrphase-sysinit.service systemd-remount-fs.service systemd-firstboot.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount systemd-ask-password-console.path systemd-ask-password-wall.path getty.target tmp.mount systemd-repart.service systemd-sysusers.service systemd-sysctl.service systemd-update-utmp.service systemd-tmpfiles-clean.timer; do ln -sf /dev/null "$R/etc/systemd/system/$u"; done
  mkdir -p "$R/etc/systemd/journald.conf.d"; printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\n' > "$R/etc/systemd/journald.conf.d/bed.conf"
  mkdir -p "$R/etc/tmpfiles.d"; ln -sf /dev/null "$R/etc/tmpfiles.d/tmp.conf"   # else tmpfiles empties /tmp at boot, bind mounts included
  cd "$R"; pivot_root . mnt; cd /; umount -l /mnt; mount --make-rshared /   # systemd does this itself except in a container; credentials need it
  exec env -i container=bed PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /lib/systemd/systemd --system --log-target=journal --unit=basic.target
}
up() {
  mkdir -p "$BED"; [ -e "$BED/pid" ] && kill -0 "$(cat "$BED/pid")" 2>/dev/null && { echo "already up"; return; }
  local u; u=$(v2root); [ -n "$u" ] || { echo "no cgroup2 mounted" >&2; return 1; }
  mkdir -p "$u/$CG"
  if [ "$MODE" = hybrid ]; then for c in memory pids name=systemd; do r=$(v1root $c); [ -n "$r" ] && mkdir -p "$r/$CG"; done; fi
  ( echo $BASHPID > "$u/$CG/cgroup.procs"
    if [ "$MODE" = hybrid ]; then for c in memory pids name=systemd; do r=$(v1root $c); [ -n "$r" ] && echo $BASHPID > "$r/$CG/cgroup.procs"; done; fi
    exec setsid unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net "$0" _stage2 ) >"$BED/log" 2>&1 </dev/null &
  local un=$!; echo $un > "$BED/unshare.pid"; disown
  for i in $(seq 300); do
    sleep 0.05; kill -0 $un 2>/dev/null || { cat "$BED/log" >&2; return 1; }
    p=$(cat /proc/$un/task/$un/children 2>/dev/null | tr -d ' '); [ -n "$p" ] || continue; echo "$p" > "$BED/pid"
    [ "$(cat /proc/$p/comm 2>/dev/null)" = systemd ] || continue
    s=$(timeout 5 nsenter -t "$p" -m -p -C -n -u -i systemctl is-system-running 2>/dev/null || true)
    case "$s" in running|degraded) echo "systemd up: pid $p ($s), mode $MODE"; return 0;; esac
  done
  echo "boot timed out, state: ${s:-?}" >&2; return 1
}
enter() { exec nsenter -t "$(cat "$BED/pid")" -m -p -C -n -u -i env -i container=bed HOME=/root TERM=dumb LANG=C.UTF-8 PATH="${BED_PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}" SYSTEMD_PAGER= SYSTEMD_COLORS=0 "$@"; }
down() {
  [ -e "$BED/pid" ] && kill -9 "$(cat "$BED/pid")" 2>/dev/null || true     # pid 1 dies => the kernel kills all in its pid namespace
  for i in $(seq 40); do kill -0 "$(cat "$BED/unshare.pid" 2>/dev/null)" 2>/dev/null || break; sleep 0.05; done
  for r in "$(v2root)" "$(v1root memory)" "$(v1root pids)" "$(v1root name=systemd)"; do [ -n "$r" ] && [ -d "$r/$CG" ] && find "$r/$CG" -depth -type d -exec rmdir {} \; 2>/dev/null || true; done
  rm -rf "$BED"
}
case "${1:-}" in
  _stage2) export BED MODE CG BIND; stage2;;
  up) export BED BED_CGROUP=$MODE BED_NAME=$CG BED_BIND="$BIND"; up;;
  exec) shift; enter "$@";;
  down) down;;
  run) shift; trap down EXIT; export BED BED_CGROUP=$MODE BED_NAME=$CG BED_BIND="$BIND"; up; ( enter "$@" );;
  *) sed -n 2,14p "$0"; exit 2;;
esac
