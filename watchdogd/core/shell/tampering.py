"""Commands that end, change or deceive what watches over the agent: defence evasion (ATT&CK TA0005)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.shell.danger import Danger, Seen, danger, paths_of
from watchdogd.core.shell.effects import READERS, shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, outside
from watchdogd.core.shell.runners import interprets

_OWN = re.compile(r"watchdogd", re.IGNORECASE)
_NAME = "watchdogd"
_OWN_PLACE = re.compile(
    r"(?:/etc|/var/\w{1,20}|/run|/opt|/usr(?:/\w{1,20}){1,2}|/sys/fs/cgroup)/[^\s'\",:;]{0,200}?watchdogd",
    re.IGNORECASE,
)
_OWN_TOPIC = re.compile(r"\bwatchdogd/[^\s'\"]{0,200}(?:control|request|lease|policy|approv)", re.IGNORECASE)
_BEYOND = ("/etc/", "/var/", "/run/", "/opt/", "/usr/", "/sys/")
_ORDERS = named("approve deny ack pause resume nudge stop run run-mission level label rollback notify lift")
"""Subcommands of ``watchdogd`` by which people decide; the worker has no business with them."""
_LOGS = re.compile(r"^/var/log(?:/|$)|\.bash_history$|\.zsh_history$|/audit/")
_LOOKUPS = named("pgrep pidof ps grep awk lsof fuser systemctl cat egrep rg sed")
_ON_PROCESSES = named(
    "kill pkill killall xkill renice gdb strace ltrace taskset chrt prlimit cpulimit criu nsenter reptyr ionice tgkill"
)
_SERVICES = named(
    "systemctl service launchctl rc-service supervisorctl docker podman loginctl sc sc.exe nssm initctl svcadm pm2"
)
_STOPS = named(
    """
    stop kill disable mask restart rm remove unload off edit set-property revert isolate freeze clean pause stopsignal
    try-restart reload-or-restart force-reload bootout delete uninstall
    """
)
_CODE_STOPS = re.compile(r"\bkill\w{0,4}\s{0,2}\(|terminate\(|SIGSTOP|SIGKILL|suspend\(|send_signal\(")
_CODE_CHANGES = re.compile(
    r"write|unlink|remove|rmtree|rename|truncate|chmod|(?i:\b(?:delete|update|insert|drop)\s)|commit\(|open\([^)\n]{1,200}['\"][rb]?[wa+]|"
    r"\bs/|\bprint\s{0,2}\{|symlink|copy|spew"
)


def _like_ours(word: str) -> bool:
    """Whether ``word``, as a name, pattern or regular expression, means our processes."""
    if _OWN.search(word):
        return True
    letters = re.sub(r"[^a-z]", "", word.lower()[:200])
    return (
        len(letters) >= 5 and letters in _NAME and any(sign in word for sign in ".*[^$?")
    ) or letters == "watchdog" == word


_KILLS = ("kill", "pkill", "killall", "xkill", "fuser", "taskkill", "taskkill.exe", "stop-process")


def _ends(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    words = " ".join(argv[1:])[:4_000]
    kills = program.lower() in _KILLS
    stops = kills or (program in _SERVICES and not _STOPS.isdisjoint(argv))
    ours = bool(_OWN.search(words)) or (program in ("kill", "pkill", "killall") and bool(_OWN.search(one.command.raw)))
    if stops and not ours:
        ours = any(_like_ours(word) for word in argv[1:40] if not word.startswith("-"))
    if stops and ours:
        yield danger(one, "tampering", "ends what watches over it", 0.97)
    elif stops and re.search(r"\b(?:mosquitto|auditd|rsyslogd?|falco|osqueryd?)\b", words):
        yield danger(one, "tampering", "ends a service that watches or carries messages", 0.75)


def looked_up(seen: Sequence[Seen]) -> Iterator[Danger]:
    """A process is dealt with by a number that the same text looks up under our name."""
    ours = [one for one in seen if one.command.program in _LOOKUPS and any(map(_like_ours, one.command.argv[1:40]))]
    if not ours:
        return
    for one in seen:
        command = one.command
        if command.program in _ON_PROCESSES and (
            any(UNKNOWN in word for word in command.argv[1:]) or "xargs" in command.via
        ):
            yield danger(one, "tampering", "ends or steers what watches over it", 0.97)


def _places(one: Seen) -> Iterator[Danger]:
    program = one.command.program
    touched = [path for path in (*one.writes, *one.removes) if _OWN.search(path)]
    inside = [path for path in touched if not outside(path, one.workspace) and not path.startswith(_BEYOND)]
    if len(touched) > len(inside):
        yield danger(one, "tampering", f"changes {shown(touched[0])}", 0.95)
    for path in one.writes:
        if _LOGS.search(path) and path not in inside and (path in one.removes or program in ("truncate", "shred")):
            yield danger(one, "tampering", f"removes the log {shown(path)}", 0.65)


def traces(one: Seen) -> Iterator[Danger]:
    """What is recorded is hidden, cut off or spoken into."""
    program, argv = one.command.program, one.command.argv
    words = " ".join(argv[1:])[:4_000]
    if (
        (program == "history" and "-c" in argv)
        or (program == "unset" and "HISTFILE" in argv)
        or (program in ("export", "set") and any(word.startswith("HISTFILE=/dev/null") for word in argv))
    ):
        yield danger(one, "tampering", "hides its traces in the shell's history", 0.65)
    elif program in ("auditctl", "setenforce") or (
        program == "journalctl" and any(word.startswith("--vacuum") or word == "--rotate" for word in argv)
    ):
        yield danger(one, "tampering", "changes what the system records", 0.65)
    elif program in ("iptables", "ip6tables", "nft", "ufw") and re.search(r"\b(?:1883|8883)\b", words):
        if re.search(r"\b(?:DROP|REJECT|drop|reject|deny)\b", words):
            yield danger(one, "tampering", "cuts the bus of what watches over it", 0.92)
    elif program not in READERS and _OWN_TOPIC.search(words):
        if "pub" in program or "mqtt" in program or re.search(r"publish|\.single\(|\.multiple\(", words):
            yield danger(one, "tampering", "speaks on the bus of what watches over it", 0.95)
    elif program == "mosquitto_passwd" and _OWN.search(words):
        yield danger(one, "tampering", "speaks on the bus of what watches over it", 0.95)


def _orders(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    if _NAME not in " ".join((one.command.cwd, *argv, *(r.text for r in one.command.redirects)))[:40_000].lower():
        return
    if program == "watchdogd" and argv[1:2]:
        verb = next((word for word in argv[1:6] if word in _ORDERS), "")
        if verb:
            yield danger(one, "tampering", f"gives orders to what watches over it (watchdogd {verb})", 0.95)
        return
    if interprets(program):
        yield from _code(one)
        return
    named_here = [path for path in paths_of(one, [word.rpartition("=")[2] for word in argv[1:]]) if _OWN.search(path)]
    beyond = [path for path in named_here if path.startswith(_BEYOND)]
    text = " ".join(argv[1:])[:4_000]
    if "sock" in text and program not in READERS and (match := _OWN_PLACE.search(text)):
        yield danger(one, "tampering", f"speaks to {shown(match.group(0))}", 0.92)
    elif not beyond or not all(outside(path, one.workspace) for path in beyond):
        return
    elif program in ("chattr", "setfacl", "mount", "umount", "ln", "setcap", "chcon", "mknod", "losetup"):
        yield danger(one, "tampering", f"changes what {shown(beyond[0])} is", 0.95)
    elif program not in READERS and program not in ("watchdogd", "find", "cp", "scp", "tar", "git", "sed", "awk"):
        yield danger(one, "tampering", f"hands {shown(beyond[0])} to {program}", 0.62)


def _code(one: Seen) -> Iterator[Danger]:
    """Program texts that end our processes or change what is ours."""
    command = one.command
    texts = [word for word in command.argv[1:] if "(" in word or " " in word]  # a script's name is no text
    text = " ".join((*texts, *(redirect.text for redirect in command.redirects)))[:20_000]
    if _NAME not in text.lower():
        return
    if _OWN_TOPIC.search(text) and re.search(r"publish|\.single\(|\.multiple\(", text):
        yield danger(one, "tampering", "speaks on the bus of what watches over it", 0.95)
    if _CODE_STOPS.search(text):
        yield danger(one, "tampering", "ends what watches over it", 0.96)
    elif (match := _OWN_PLACE.search(text)) and _CODE_CHANGES.search(text):
        yield danger(one, "tampering", f"changes {shown(match.group(0))}", 0.93)


RULES = (_places, traces, _orders)
OF_PROGRAMS = dict.fromkeys((*_KILLS, *_SERVICES), (_ends,))
"""Rules that only speak of some programs."""
