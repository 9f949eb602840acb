"""Commands that take rights: privilege escalation (ATT&CK TA0004) and defences taken down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.shell.code import ENCODED
from watchdogd.core.shell.danger import Danger, Seen, danger
from watchdogd.core.shell.effects import READERS, shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, outside
from watchdogd.core.shell.runners import SHELLS, interprets

_RIGHTS = re.compile(
    r"^/etc/(?:passwd|shadow|gshadow|group|sudoers(?:\.d(?:/.{0,200})?)?|pam\.d/.{0,200}|ssh/sshd_config|security/.{0,200}|"
    r"polkit-1/.{0,200}|doas\.conf)$"
)
_SETUID = re.compile(r"(?:[uoa]{0,3}|[ugoa]{0,4}u[ugoa]{0,4})[+=][rwxXt]{0,4}s|0?[4-7][0-7]{3}")
_SETGID = re.compile(r"g[+=][rwxX]{0,3}s|0?2[0-7]{3}")
_CODE_SETUID = re.compile(r"\bchmod\b.{0,80}\b0?o?[4-7][0-7]{3}\b|\bS_ISUID\b|\bset(?:re|res)?uid\(\s{0,4}0")
_ADMINS = named("sudo wheel root docker admin adm lxd disk shadow administrators")
ALL_RIGHTS = re.compile(
    r"\bcluster-admin\b|\bAdministratorAccess\b|\bPowerUserAccess\b|\bIAMFullAccess\b|\broles/(?:owner|editor)\b|"
    r"\bsystem:masters\b|--role[= ]?[\"']?(?:Owner|Contributor|User Access Administrator)\b|"
    r"\"Action\"\s{0,4}:\s{0,4}\"\*\""
)
_HOST_RIGHTS = re.compile(
    r"[\"']?privileged[\"']?\s{0,4}:\s{0,4}true|[\"']?host(?:PID|Network|IPC)[\"']?\s{0,4}:\s{0,4}true|"
    r"[\"']?hostPath[\"']?\s{0,4}:\s{0,4}\{?\s{0,40}[\"']?path[\"']?\s{0,4}:\s{0,4}[\"']?/[\"'\s}]"
)
_DEFENCES = re.compile(
    r"\b(?:firewalld|ufw|nftables|iptables|apparmor|selinux|fail2ban|clamav\S{0,20}|crowdsec|wazuh\S{0,20}|windefend)\b"
)
_KNOBS = re.compile(
    r"randomize_va_space|yama|kptr_restrict|dmesg_restrict|unprivileged_|sysrq|core_pattern|modules_disabled"
)
_FETCHES = named("curl wget http https fetch aria2c lwp-request")
_DECODES = named("base64 base32 xxd openssl rev uudecode")
_AS_ANOTHER = frozenset({"sudo", "doas", "su", "pkexec"})
_INSECURE = re.compile(r"\bhttp://|//\d{1,3}(?:\.\d{1,3}){3}\b")


def from_the_network(one: Seen, fetched: str = "") -> Danger:
    """A shell or interpreter that reads its text from a download."""
    asroot = bool(_AS_ANOTHER & set(one.command.via))
    open_way = _INSECURE.search(fetched) is not None
    weight = (0.88 if open_way else 0.78) if asroot else (0.6 if open_way else 0.5)
    return danger(one, "privilege", "runs text straight from the network", weight)


def _files(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    mode = argv[1:2] if program == "chmod" else ()
    if program == "install":
        mode = tuple(argv[at + 1] for at, word in enumerate(argv[:-1]) if word in ("-m", "--mode")) + tuple(
            word.partition("=")[2] for word in argv if word.startswith("--mode=")
        )
    if program == "chmod" and mode and mode[0].startswith("-") and len(argv) > 2:
        mode = argv[2:3]
    if any(_SETUID.fullmatch(word) for word in mode):
        paths = one.writes
        shells = [path for path in paths if _runs_text(path)]
        away = any(outside(path, one.workspace) for path in paths)
        weight = 0.95 if shells else 0.86 if away and program == "chmod" else 0.78
        yield danger(one, "privilege", "makes a file run with its owner's rights (setuid)", weight)
    elif any(_SETGID.fullmatch(word) for word in mode):
        yield danger(one, "privilege", "makes files take their group from the directory (setgid)", 0.35)
    elif program == "chmod" and any(word in ("777", "0777", "a+rwx", "ugo+rwx") for word in argv[1:4]):
        yield danger(one, "privilege", "lets everybody write", 0.3)
    if ENCODED in one.effect.reasons:
        yield danger(one, "privilege", "runs text that was encoded so that nobody reads it", 0.5)
    if interprets(program) and _CODE_SETUID.search(" ".join(argv[1:])[:8_000]):
        yield danger(one, "privilege", "makes a file run with its owner's rights (setuid)", 0.86)
    for path in one.writes:
        if _RIGHTS.match(path):
            yield danger(one, "privilege", f"changes {shown(path)}", 0.9)
        elif path.startswith(("/proc/sys/", "/sys/kernel/", "/sys/module/")):
            yield danger(one, "privilege", f"changes how the kernel guards itself ({shown(path)})", _knob(path))


def _runs_text(path: str) -> bool:
    """Whether ``path`` names a shell or an interpreter."""
    name = path.rsplit("/", 1)[-1]
    return name in SHELLS or interprets(name)


def _knob(text: str) -> float:
    return 0.86 if _KNOBS.search(text) else 0.6


def _users(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    text = " ".join(argv[1:])[:2_000]
    if program in _AS_ANOTHER:
        yield danger(one, "privilege", f"takes the rights of another user ({program})", 0.35)
    elif program in ("useradd", "adduser", "usermod") and any(
        word in ("-u0", "--uid=0") or (word in ("-u", "--uid") and argv[at + 1 : at + 2] == ("0",))
        for at, word in enumerate(argv)
    ):
        yield danger(one, "privilege", "makes a user that is root by another name", 0.95)
    elif (
        program in ("useradd", "adduser", "gpasswd", "usermod", "addgroup")
        and {part for word in argv[1:] for part in word.split(",")} & _ADMINS
    ) or (program in ("net", "net.exe") and "localgroup" in text.lower() and "/add" in text.lower()):
        yield danger(one, "privilege", "makes an administrator", 0.86)
    elif program == "passwd" and {"-d", "--delete", "-u", "--unlock"} & set(argv):
        yield danger(one, "privilege", "takes the password away from an account", 0.86)
    elif program == "setcap" and re.search(r"cap_(?:setuid|sys_admin|dac_override|sys_ptrace|setfcap|chown)", text):
        yield danger(one, "privilege", "gives a program what only root may do", 0.88)
    elif program in ("setcap", "gpasswd", "chpasswd", "setenforce"):
        yield danger(one, "privilege", f"changes what users may do ({program})", 0.7)


def _granted(one: Seen) -> Iterator[Danger]:
    """All rights over a cluster, an account or this machine, given by words of any program."""
    command = one.command
    if command.program in READERS or len(command.argv) < 2:
        return
    text = " ".join(command.argv[1:] + tuple(redirect.text for redirect in command.redirects))[:8_000]
    telling = any(sign in text for sign in ("dmin", "ull", "role", "masters", "Action")) and ALL_RIGHTS.search(text)
    if telling and not any(re.match(r"(?:get|list|describe|show)\b", word) for word in command.argv[1:4]):
        yield danger(one, "privilege", "gives somebody all rights", 0.88)
    if command.program in ("docker", "podman", "nerdctl"):
        yield from _container(one, command.argv)
    elif command.program in ("kubectl", "oc", "k3s") and _HOST_RIGHTS.search(text):
        yield danger(one, "privilege", "starts a container with the host's rights", 0.88)


def _container(one: Seen, argv: Sequence[str]) -> Iterator[Danger]:
    text = " ".join(argv)
    if re.search(r"(?:^| )(?:-v ?|--volume[= ])/:/|(?:source|src)=/(?:,|$| )", text):
        yield danger(one, "privilege", "gives a container the whole file system of this machine", 0.9)
    elif "--privileged" in argv and re.search(
        r"--(?:pid|net|network|ipc|userns)[= ]host|-v ?/(?:etc|root|home|var)\b", text
    ):
        yield danger(one, "privilege", "starts a container with the host's rights", 0.88)
    elif "--privileged" in argv or "--pid=host" in argv:
        yield danger(one, "privilege", "starts a container with the host's rights", 0.75)


def _defences(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    words = set(argv)
    if (
        program in ("iptables", "ip6tables", "nft", "ufw", "pfctl")
        and {"-F", "flush", "disable", "--flush", "-d"} & words
    ):
        yield danger(one, "privilege", "takes the firewall down", 0.7)
    elif program in ("systemctl", "service", "rc-service", "sc", "sc.exe") and {"stop", "disable", "mask"} & words:
        if _DEFENCES.search(" ".join(argv[1:]).lower()):
            yield danger(one, "privilege", "takes a defence of this machine down", 0.7)
    elif program == "sysctl" and any("=" in word for word in argv):
        yield danger(one, "privilege", "changes how the kernel guards itself", _knob(" ".join(argv)) - 0.1)
    elif program == "nsenter" and any(word in ("1", "-t1", "--target=1") for word in argv):
        yield danger(one, "privilege", "enters the namespaces of the whole machine", 0.92)
    elif program in ("insmod", "modprobe") and not {"-r", "-n", "-D", "--show-depends"} & words:
        yield danger(one, "privilege", "loads a module into the kernel", 0.6)


def copies(seen: Sequence[Seen]) -> Iterator[Danger]:
    """A copied shell gets its owner's rights; a library is slipped under a program of another user."""
    for one in seen:
        argv = one.command.argv
        if one.command.program == "chmod" and any(_SETUID.fullmatch(word) for word in argv[1:2]):
            made = {other.command.argv[-1] for other in seen if _copies_shell(other)}
            if made & set(argv[2:]):
                yield danger(one, "privilege", "makes a shell that runs with its owner's rights", 0.96)
        elif _AS_ANOTHER & {one.command.program} and re.match(r"\s{0,8}LD_(?:PRELOAD|AUDIT)=", one.command.raw):
            yield danger(one, "privilege", "slips a library under a program of another user", 0.86)


def _copies_shell(one: Seen) -> bool:
    return one.command.program in ("cp", "install", "mv") and any(_runs_text(word) for word in one.command.argv[1:-1])


def hidden(seen: Sequence[Seen]) -> Iterator[Danger]:
    """A shell is handed a text that another command of the same line makes: decoded, or from the network."""
    programs = {one.command.program: one for one in seen}
    fetched = " ".join(one.command.raw for one in seen if one.command.program in _FETCHES)
    again = {"sleep", "watch", "nohup", "setsid"} & {*programs, *(via for one in seen for via in one.command.via)}
    for one in seen:
        command = one.command
        if command.program not in SHELLS and command.program != "eval" and not interprets(command.program):
            continue
        found = _from_elsewhere(one, programs, fetched)
        if found is not None:
            yield found
            if found.text.endswith("network") and len(again) > 1:
                yield danger(one, "persistence", "has text from the network run again and again", 0.9)


def _from_elsewhere(one: Seen, programs: dict[str, Seen], fetched: str) -> Danger | None:
    command, source = one.command, one.command.stdin
    if source is not None and command.program != "eval":
        if not one.effect.scripts and source.program in _FETCHES | {"nc", "ncat", "netcat", "ssh"}:
            return from_the_network(one, source.raw)
        if source.program in _DECODES | {"tr"} and command.program in SHELLS:
            return danger(one, "privilege", "runs text that was encoded so that nobody reads it", 0.75)
    runs = command.program == "eval" or (command.program in SHELLS and ("-c" in command.argv or _fed(one)))
    if runs and (any(UNKNOWN in word for word in command.argv[1:]) or _fed(one)):
        decoder = next((programs[name] for name in _DECODES if name in programs), None)
        if decoder is not None and ({"-d", "--decode", "-D", "-r"} & set(decoder.command.argv) or "rev" in programs):
            return danger(one, "privilege", "runs text that was encoded so that nobody reads it", 0.75)
        if not _FETCHES.isdisjoint(programs):
            return from_the_network(one, fetched)
    return None


def _fed(one: Seen) -> bool:
    return any(redirect.op == "<<<" and UNKNOWN in redirect.text for redirect in one.command.redirects) or any(
        UNKNOWN in word for word in one.command.argv[1:2]
    )


RULES = (_files, _granted)
_ACCOUNTS = named(
    """
    sudo doas su pkexec useradd adduser usermod gpasswd addgroup net net.exe passwd setcap chpasswd setenforce
    """
)
_GUARDS = named(
    """
    iptables ip6tables nft ufw pfctl systemctl service rc-service sc sc.exe sysctl nsenter insmod modprobe
    """
)
OF_PROGRAMS = {**dict.fromkeys(_ACCOUNTS, (_users,)), **dict.fromkeys(_GUARDS, (_defences,))}
"""Rules that only speak of some programs."""
