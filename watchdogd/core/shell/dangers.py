"""Commands that are dangerous whoever asks for them, and how much.

Weights: from .85 on nothing legitimate is likely to look like it; from .6 it deserves a second look; below it is
context (an ordinary build removes trees and installs packages). The kinds follow the tactics of ATT&CK that a shell
command can serve: privilege escalation, persistence, defence evasion, exfiltration, impact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.shell import overreach
from watchdogd.core.shell.danger import Danger, Seen, danger, paths_of
from watchdogd.core.shell.effects import shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, normal, outside
from watchdogd.core.shell.runners import INTERPRETERS, SHELLS

SYSTEM_ROOTS = named(
    """
    / /bin /boot /dev /etc /home /lib /lib64 /opt /proc /root /sbin /srv /sys /usr /var /Users /System
    /Library ~
    """
)
_SECRETS = re.compile(
    r"(?:^|/)(?:\.ssh(?:/|$)|id_(?:rsa|dsa|ecdsa|ed25519)\b|\.aws(?:/|$)|\.netrc$|\.git-credentials$|\.kube/|\.docker/config|"
    r"\.npmrc$|\.pypirc$|\.gnupg(?:/|$)|\.env(?:\.\w{1,20})?$|\.pgpass$|shadow$|credentials(?:\.\w{1,8})?$|secrets?(?:\.\w{1,8})?$|"
    r"\.vault-token$|wallet\.dat$|[^/]{1,100}\.(?:pem|key|p12|pfx|kdbx|keystore)$|\.bash_history$|environ$)"
)
_PERSISTS = re.compile(
    r"(?:^|/)(?:\.bashrc|\.bash_profile|\.bash_login|\.profile|\.zshrc|\.zprofile|\.zshenv|authorized_keys2?|crontab|rc\.local|"
    r"\.config/autostart/.{1,200}|\.git/hooks/[^/]{1,100}|sitecustomize\.py|usercustomize\.py|ld\.so\.preload)$"
    r"|^/etc/(?:cron[^/]{0,20}/|systemd/|init\.d/|profile\.d/|rc\d?\.d/|xdg/autostart/|udev/)|^/var/spool/cron"
    r"|(?:^|/)(?:LaunchAgents|LaunchDaemons)/|\.config/systemd/user/"
)
_RIGHTS = re.compile(
    r"^/etc/(?:passwd|shadow|gshadow|group|sudoers(?:\.d/.{0,200})?|pam\.d/.{0,200}|ssh/sshd_config|security/.{0,200})$"
)
_DEVICE = re.compile(r"^/dev/(?:sd[a-z]|nvme\d|vd[a-z]|hd[a-z]|xvd[a-z]|mmcblk\d|disk\d|mem$|kmem$|mapper/)")
_LOGS = re.compile(r"^/var/log(?:/|$)|\.bash_history$|\.zsh_history$|/audit/")
_OWN = re.compile(r"watchdogd", re.IGNORECASE)
_SENDERS = named(
    """
    curl wget nc ncat netcat socat scp rsync sftp ftp telnet mail mailx sendmail mutt swaks http https openssl
    gh aws gsutil rclone mosquitto_pub ssh dig nslookup host drill ping
    """
)


def dangers_of(seen: Sequence[Seen], *, forks_itself: bool = False) -> tuple[Danger, ...]:
    """All dangers among the simple commands of one text, the worst first, each said once."""
    found: list[Danger] = []
    if forks_itself:
        found.append(Danger(kind="destructive", text="a function that forks itself without end", weight=0.95))
    for one in seen:
        for rule in _RULES:
            found += rule(one)
    found += _leaks(seen)
    found += overreach.hidden(seen)
    unique = {(one.kind, one.text): one for one in sorted(found, key=lambda one: one.weight)}
    return tuple(sorted(unique.values(), key=lambda one: -one.weight))[:32]


def _destroys(one: Seen) -> Iterator[Danger]:
    program = one.command.program
    for path in paths_of(one, one.effect.trees):
        yield from _tree(one, path)
    for path in paths_of(one, one.effect.writes):
        if _DEVICE.match(path):
            yield danger(one, "destructive", f"writes over the device {shown(path)}", 0.97)
    if program.startswith("mkfs") or program in ("wipefs", "blkdiscard", "sfdisk", "sgdisk", "fdisk", "parted"):
        if any(word.startswith("/dev/") for word in one.command.argv):
            yield danger(one, "destructive", f"{program} erases a device", 0.95)
    elif program in ("shutdown", "reboot", "halt", "poweroff") or (
        program in ("init", "telinit") and one.command.argv[1:2] in (("0",), ("6",))
    ):
        yield danger(one, "destructive", "ends the machine", 0.85)
    elif program in ("kill", "killall5") and "-1" in one.command.argv[2:]:
        yield danger(one, "destructive", "ends every process it may", 0.95)
    elif program in ("chmod", "chown", "chgrp", "setfacl") and {"-R", "--recursive"} & set(one.command.argv):
        for path in paths_of(one, one.effect.writes):
            if _bare(path) in SYSTEM_ROOTS:
                yield danger(one, "destructive", f"{program} of everything below {shown(path)}", 0.92)


def _destroys_elsewhere(one: Seen) -> Iterator[Danger]:
    for reason in one.effect.reasons:
        if reason.startswith(
            ("the statement says DROP", "the statement says TRUNCATE", "the statement changes every row")
        ):
            yield danger(one, "destructive", reason, 0.55)
        elif "removes something elsewhere" in reason:
            yield danger(one, "destructive", reason, 0.45 if overreach.routine_removal(one.command.argv) else 0.6)
        elif reason.startswith("git push rewrites"):
            yield danger(one, "destructive", reason, 0.4 if overreach.guarded_push(one.command.argv) else 0.6)
        elif reason.startswith(("git ", "docker ", "podman ")) and reason.endswith(
            ("work away", "earlier states", "removes")
        ):
            yield danger(one, "destructive", reason, 0.35)


def _bare(path: str) -> str:
    """``path`` without the pattern at its end that stands for its whole content."""
    text = normal(path)
    head, _, last = text.rpartition("/")
    return (head or "/") if last in ("*", "**", ".*") and (head or text.startswith("/")) else text


def _tree(one: Seen, path: str) -> Iterator[Danger]:
    mine = _bare(path)
    if one.command.program in ("mv", "rename") and mine not in SYSTEM_ROOTS:
        return
    if mine in SYSTEM_ROOTS or (
        mine.startswith("/") and mine.count("/") == 1 and outside(mine, one.workspace or "/none")
    ):
        yield danger(one, "destructive", f"removes {shown(path)} with everything below", 0.97)
    elif path.startswith(f"{UNKNOWN}/") or path in (UNKNOWN, f"{UNKNOWN}*"):
        yield danger(one, "destructive", f"removes a tree whose place is only known when it runs ({shown(path)})", 0.5)
    elif mine in (".", "..") or (one.workspace and mine == normal(one.workspace)):
        yield danger(one, "destructive", "removes the whole working directory", 0.75)
    elif mine.endswith((".git", ".git/objects", ".git/refs")):
        yield danger(one, "destructive", f"removes the history in {shown(path)}", 0.75)
    elif outside(mine, one.workspace):
        yield danger(one, "destructive", f"removes {shown(path)}, outside the workspace, with everything below", 0.7)
    else:
        yield danger(one, "destructive", f"removes {shown(path)} with everything below", 0.3)


def _rights(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    if program in ("sudo", "doas", "pkexec", "su"):
        yield danger(one, "privilege", f"takes the rights of another user ({program})", 0.35)
    if program == "chmod" and any(
        re.match(r"(?:[ugoa]{0,4}[+=][rwxXt]{0,4}s|0?[4-7][0-7]{3}$)", word) for word in argv[1:2]
    ):
        yield danger(one, "privilege", "makes a file run with its owner's rights (setuid)", 0.75)
    elif program == "chmod" and any(word in ("777", "0777", "a+rwx", "ugo+rwx") for word in argv[1:4]):
        yield danger(one, "privilege", "lets everybody write", 0.3)
    elif program in ("setcap", "visudo", "gpasswd", "chpasswd", "setenforce"):
        yield danger(one, "privilege", f"changes what users may do ({program})", 0.7)
    elif program == "usermod" and any(word in ("sudo", "wheel", "root", "docker", "admin") for word in argv):
        yield danger(one, "privilege", "adds a user to an administrators' group", 0.86)
    elif program in ("iptables", "nft", "ufw") and {"-F", "flush", "disable", "--flush"} & set(argv):
        yield danger(one, "privilege", "takes the firewall down", 0.7)
    elif program in ("docker", "podman") and any(
        word in ("--privileged", "--pid=host") or word.startswith(("/:/", "-v/:/")) for word in argv
    ):
        yield danger(one, "privilege", "starts a container with the host's rights", 0.75)
    for path in paths_of(one, one.effect.writes):
        if _RIGHTS.match(path):
            yield danger(one, "privilege", f"changes {shown(path)}", 0.9)


def _stays(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    for path in paths_of(one, one.effect.writes):
        if path.endswith(".git/hooks/**") or (_PERSISTS.search(path) and not path.endswith(".sample")):
            weight = 0.88 if "authorized_keys" in path or "ld.so.preload" in path else 0.6
            yield danger(one, "persistence", f"changes {shown(path)}, which runs or admits somebody later", weight)
    if program == "crontab" and "-l" not in argv:
        yield danger(one, "persistence", "changes the table of scheduled jobs", 0.6)
    elif program in ("at", "batch") and len(argv) > 1 and argv[1] not in ("-l", "-q"):
        yield danger(one, "persistence", "schedules a command for later", 0.55)
    elif program == "systemctl" and "enable" in argv:
        yield danger(one, "persistence", "makes a service start by itself", 0.45)
    elif program == "git" and any("core.hookspath" in word.lower() for word in argv) and "--get" not in argv:
        yield danger(one, "persistence", "redirects the repository's hooks", 0.6)
    elif program in ("useradd", "adduser"):
        yield danger(one, "persistence", "adds a user", 0.55)


def _tampers(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    words = " ".join(argv[1:])
    stops = program in ("kill", "pkill", "killall", "xkill", "fuser") or (
        program in ("systemctl", "service", "launchctl", "rc-service", "supervisorctl", "docker", "podman", "loginctl")
        and any(
            word in ("stop", "kill", "disable", "mask", "restart", "rm", "remove", "unload", "off") for word in argv
        )
    )
    named = bool(_OWN.search(words)) or (program in ("kill", "pkill", "killall") and bool(_OWN.search(one.command.raw)))
    if stops and named:
        yield danger(one, "tampering", "ends what watches over it", 0.97)
    elif stops and re.search(r"\b(?:mosquitto|auditd|rsyslogd?|falco|osqueryd?)\b", words):
        yield danger(one, "tampering", "ends a service that watches or carries messages", 0.75)
    touched = [path for path in paths_of(one, [*one.effect.writes, *one.effect.removes]) if _OWN.search(path)]
    inside = [
        path
        for path in touched
        if not outside(path, one.workspace) and not path.startswith(("/etc", "/var", "/run", "/opt", "/usr"))
    ]
    if len(touched) > len(inside):
        yield danger(one, "tampering", f"changes {shown(touched[0])}", 0.95)
    for path in paths_of(one, one.effect.writes):
        if (
            _LOGS.search(path)
            and path not in inside
            and (path in paths_of(one, one.effect.removes) or program in ("truncate", "shred"))
        ):
            yield danger(one, "tampering", f"removes the log {shown(path)}", 0.65)
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
    elif program in ("mosquitto_pub", "mosquitto_passwd") and _OWN.search(words):
        yield danger(one, "tampering", "speaks on the bus of what watches over it", 0.95)


def _reaches_out(one: Seen) -> Iterator[Danger]:
    command = one.command
    program, argv = command.program, command.argv
    if any(redirect.target.startswith(("/dev/tcp/", "/dev/udp/")) for redirect in command.redirects):
        heavy = program in SHELLS or program in ("exec", "cat", "") or program in INTERPRETERS
        yield danger(one, "exfiltration", "talks to a raw network socket", 0.95 if heavy else 0.8)
    if program in ("nc", "ncat", "netcat", "socat") and (
        {"-e", "-c", "--exec", "--sh-exec"} & set(argv)
        or any(word.lower().startswith(("exec:", "system:")) for word in argv)
    ):
        yield danger(one, "exfiltration", "opens a shell to the network", 0.96)
    source = command.stdin
    if (program in SHELLS or program in INTERPRETERS) and source is not None and not one.effect.scripts:
        if source.program in ("curl", "wget", "nc", "http", "https", "fetch"):
            yield overreach.from_the_network(one)
        elif source.program in ("base64", "base32", "xxd", "openssl", "rev", "tr") and program in SHELLS:
            yield danger(one, "privilege", "runs text that was encoded so that nobody reads it", 0.75)
    code = " ".join(argv) if program in INTERPRETERS else ""
    if code and "socket" in code and ("dup2" in code or "pty.spawn" in code or "/bin/sh" in code):
        yield danger(one, "exfiltration", "opens a shell to the network", 0.96)


def _leaks(seen: Sequence[Seen]) -> Iterator[Danger]:
    """Something secret is read and something is sent in one text."""
    senders = [one for one in seen if one.command.program in _SENDERS and _sends(one)]
    if not senders:
        return
    for one in seen:
        words = [word.removeprefix("@").partition("=@")[2] or word.removeprefix("@") for word in one.command.argv[1:]]
        sources = [redirect.target for redirect in one.command.redirects if redirect.op == "<"]
        for word in (*words, *sources):
            path = normal(word)
            if _SECRETS.search(path) and not path.endswith((".env.example", ".pub")) and not _as_identity(one, word):
                weight = 0.65 if all(map(_in_a_header, senders)) else 0.9  # a key may be what the service asks for
                yield danger(senders[0], "exfiltration", f"sends {shown(word)} away", weight)
        piped = any(sender.command.stdin is one.command or sender.command.stdin == one.command for sender in senders)
        if one.command.argv in (("env",), ("printenv",)) and (piped or len(seen) > 1):
            yield danger(senders[0], "exfiltration", "sends the environment away", 0.85)


def _sends(one: Seen) -> bool:
    command, program = one.command, one.command.program
    if program in ("curl", "wget", "http", "https"):
        return one.effect.impact.value == "external" or any(UNKNOWN in word for word in command.argv[1:])
    if program == "ssh":
        return command.stdin is not None or any(redirect.op.startswith("<") for redirect in command.redirects)
    if program == "openssl":
        return "s_client" in command.argv
    if program in ("dig", "nslookup", "host", "drill", "ping"):
        return any(UNKNOWN in word for word in command.argv[1:])  # what is asked for is only known when it runs
    if program in ("gh", "aws", "gsutil", "rclone", "scp", "rsync", "sftp"):
        return one.effect.impact.value in ("external", "destructive")
    return True


def _in_a_header(one: Seen) -> bool:
    """Whether all that is only known when it runs stands in a header of a request that sends nothing else."""
    argv = one.command.argv
    unknown = [argv[at - 1] for at, word in enumerate(argv) if at and UNKNOWN in word]
    headers = bool(unknown) and all(flag in ("-H", "--header", "-u", "--user") for flag in unknown)
    return headers and one.effect.impact.value != "external"


def _as_identity(one: Seen, word: str) -> bool:
    """Whether ``word`` is the key a client logs in with, or a certificate, not what it sends."""
    argv = one.command.argv
    at = argv.index(word) if word in argv else 0
    return (
        at > 0
        and argv[at - 1] in ("-i", "--key", "--cert", "--cacert", "-E", "--netrc-file", "-F")
        and not word.startswith("@")
    )


_RULES = (_destroys, _destroys_elsewhere, _rights, _stays, _tampers, _reaches_out, *overreach.RULES)
