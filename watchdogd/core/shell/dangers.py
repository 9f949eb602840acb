"""Commands that are dangerous whoever asks for them, and how much.

Weights: from .85 on nothing legitimate is likely to look like it; from .6 it deserves a second look; below it is
context (an ordinary build removes trees and installs packages). The kinds follow the tactics of ATT&CK that a shell
command can serve: privilege escalation, persistence, defence evasion, exfiltration, impact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.shell import elsewhere, leaks, rights, staying, tampering
from watchdogd.core.shell.danger import Danger, Seen, danger
from watchdogd.core.shell.effects import READERS, shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, normal, outside

SYSTEM_ROOTS = named(
    """
    / /bin /boot /dev /etc /home /lib /lib64 /opt /proc /root /sbin /srv /sys /usr /var /Users /System
    /Library ~ C: C:/Windows C:/Users
    """
)
_SYSTEM_BRANCH = re.compile(
    r"/(?:bin|boot|dev|etc|home|lib|lib64|proc|sbin|srv|sys|usr|var|Users|System)/[^/]{1,200}$|"
    r"C:/[^/]{1,200}$"
)
"""What lies right below such a root: a part of the system, or somebody's whole home."""
_CACHES = re.compile(
    r"/(?:\.?cache|caches|__pycache__|tmp)(?:/|$)|^/var/lib/apt/lists(?:/|$)|^~/\.cache(?:/|$)", re.IGNORECASE
)
_DEVICE = re.compile(
    r"^/dev/(?:sd[a-z]|nvme\d|vd[a-z]|hd[a-z]|xvd[a-z]|mmcblk\d|disk\d|rdisk\d|mem$|kmem$|mapper/|md\d|dm-\d)"
)
_STORAGE = re.compile(
    r"(?:lv|vg|pv)(?:remove|reduce)\b|z(?:pool|fs) (?:-\S{1,8} ){0,3}destroy\b|"
    r"cryptsetup .{0,80}(?:erase|luksErase|luksFormat)\b|"
    r"nvme (?:format|sanitize)\b|mdadm .{0,80}--zero-superblock|hdparm .{0,80}--security-erase|"
    r"badblocks .{0,20}-\w{0,4}w|"
    r"diskutil (?:erase|zero|secureErase|partition)\w{0,12}|btrfs subvolume delete\b|dmsetup (?:remove|wipe)|"
    r"vssadmin(?:\.exe)? delete|wbadmin delete|format(?:\.com)? [A-Za-z]:|Format-Volume|Clear-Disk|clean all",
)


def dangers_of(seen: Sequence[Seen], *, forks_itself: bool = False) -> tuple[Danger, ...]:
    """All dangers among the simple commands of one text, the worst first, each said once."""
    found: list[Danger] = []
    if forks_itself:
        found.append(Danger(kind="destructive", text="a function that forks itself without end", weight=0.95))
    for one in seen:
        rules = _OF_READERS if one.command.program in READERS and not one.writes and not one.effect.hosts else _RULES
        for rule in (*rules, *_OF_PROGRAMS.get(one.command.program.lower(), ())):
            found += rule(one)
    for together in _TOGETHER if len(seen) > 1 else _ALONE:
        found += together(seen)
    unique = {(one.kind, one.text): one for one in sorted(found, key=lambda one: one.weight)}
    return tuple(sorted(unique.values(), key=lambda one: -one.weight))[:32]


def _destroys(one: Seen) -> Iterator[Danger]:
    program = one.command.program
    for path in one.trees:
        yield from _tree(one, path)
    for path in one.writes:
        if _DEVICE.match(path):
            yield danger(one, "destructive", f"writes over the device {shown(path)}", 0.97)
    if program.startswith("mkfs") or program in ("wipefs", "blkdiscard", "sfdisk", "sgdisk", "fdisk", "parted"):
        if any(word.startswith("/dev/") for word in one.command.argv):
            yield danger(one, "destructive", f"{program} erases a device", 0.95)
    elif _STORAGE.match(f"{program} {' '.join(one.command.argv[1:])}"[:400]):
        yield danger(one, "destructive", f"{program} erases what is stored on a device", 0.9)
    elif program in ("shutdown", "reboot", "halt", "poweroff") or (
        program in ("init", "telinit") and one.command.argv[1:2] in (("0",), ("6",))
    ):
        yield danger(one, "destructive", "ends the machine", 0.85)
    elif program in ("kill", "killall5") and "-1" in one.command.argv[2:]:
        yield danger(one, "destructive", "ends every process it may", 0.95)
    elif program in ("chmod", "chown", "chgrp", "setfacl") and {"-R", "--recursive"} & set(one.command.argv):
        for path in one.writes:
            if _bare(path) in SYSTEM_ROOTS:
                yield danger(one, "destructive", f"{program} of everything below {shown(path)}", 0.92)


def _bare(path: str) -> str:
    """``path`` without the pattern at its end; a tree narrowed to some of its names keeps its root."""
    text = normal(path)
    head, stars, _ = text.partition("/**")
    if stars:
        return head or "/"
    head, _, last = text.rpartition("/")
    if last not in ("*", "**", ".*", "*.*"):
        return text
    return head or ("/" if text.startswith("/") else ".")


def _tree(one: Seen, path: str) -> Iterator[Danger]:
    mine = _bare(path)
    if one.command.program in ("mv", "rename") and mine not in SYSTEM_ROOTS:
        return
    rooted = mine.startswith("/") and mine.count("/") == 1 and outside(mine, one.workspace or "/none")
    narrowed = mine in (".", "**") and path not in (".", "*", "**", "./*", "./**")
    if mine in SYSTEM_ROOTS or rooted:
        yield danger(one, "destructive", f"removes {shown(path)} with everything below", 0.97)
    elif path.startswith(f"{UNKNOWN}/") or path in (UNKNOWN, f"{UNKNOWN}*"):
        yield danger(one, "destructive", f"removes a tree whose place is only known when it runs ({shown(path)})", 0.5)
    elif not narrowed and (mine in (".", "..") or (one.workspace and mine == normal(one.workspace))):
        yield danger(one, "destructive", "removes the whole working directory", 0.75)
    elif mine.endswith((".git", ".git/objects", ".git/refs")):
        yield danger(one, "destructive", f"removes the history in {shown(path)}", 0.75)
    elif outside(mine, one.workspace):
        system = _SYSTEM_BRANCH.match(mine) and path == mine
        weight = 0.35 if _CACHES.search(mine) else 0.9 if system else 0.7
        yield danger(one, "destructive", f"removes {shown(path)}, outside the workspace, with everything below", weight)
    else:
        yield danger(one, "destructive", f"removes {shown(path)} with everything below", 0.3)


_MODULES = (elsewhere, rights, staying, tampering)
_RULES = (_destroys, *elsewhere.RULES, *rights.RULES, *staying.RULES, *tampering.RULES, *leaks.RULES)
_OF_PROGRAMS = {
    program: tuple(rule for module in _MODULES for rule in module.OF_PROGRAMS.get(program, ()))
    for program in {name for module in _MODULES for name in module.OF_PROGRAMS}
}
_OF_READERS = (tampering.traces,)
"""Rules about programs that only look; the others need something that is changed or reached."""
_TOGETHER = (elsewhere.wholesale, rights.copies, rights.hidden, tampering.looked_up, leaks.leaks, leaks.pushed)
"""Rules about several commands of one text."""
_ALONE = (rights.hidden, leaks.leaks)
"""Those of them that may speak of a single one."""
