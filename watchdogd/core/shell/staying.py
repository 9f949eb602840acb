"""Commands that leave something which runs or admits somebody later: persistence (ATT&CK TA0003)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watchdogd.core.shell.danger import Danger, Seen, danger
from watchdogd.core.shell.effects import shown
from watchdogd.core.shell.literals import printed
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN

_PERSISTS = re.compile(
    r"(?:^|/)(?:\.bashrc|\.bash_profile|\.bash_login|\.bash_aliases|\.bash_logout|\.profile|\.zshrc|\.zprofile|\.zshenv|"
    r"\.zlogin|\.xinitrc|\.xprofile|\.vimrc|\.ssh/config|\.ssh/rc|authorized_keys2?|crontab|rc\.local|"
    r"\.config/fish/config\.fish|\.config/autostart/.{1,200}|\.git/hooks/[^/]{1,100}|sitecustomize\.py|usercustomize\.py|"
    r"ld\.so\.preload)$"
    r"|^/etc/(?:cron[^/]{0,20}/|systemd/|init\.d/|profile\.d/|profile$|bash\.bashrc$|environment$|rc\d?\.d/|xdg/autostart/|"
    r"udev/|anacrontab$|ld\.so\.conf|update-motd\.d/|apt/apt\.conf\.d/|NetworkManager/dispatcher\.d/)|^/var/spool/cron"
    r"|^/(?:usr/)?lib/systemd/|(?:^|/)(?:LaunchAgents|LaunchDaemons)/|\.config/systemd/user/|/site-packages/[^/]{1,80}\.pth$"
    r"|/Startup/[^/]{1,80}$",
)
_STEERS = re.compile(r"\b(?:LD_\w{1,20}|PROMPT_COMMAND|BASH_ENV|ENV|PYTHONSTARTUP|GIT_SSH\w{0,10}|NODE_OPTIONS)=")
_ADMITS = re.compile(r"authorized_keys|ld\.so\.preload")
_FETCH_AND_RUN = re.compile(
    r"\b(?:curl|wget|fetch)\b[^|\n]{0,300}\|\s{0,4}(?:sudo\s{1,4})?(?:\S{0,30}/)?(?:ba|z|da|k)?sh\b|"
    r"\b(?:ba|z|da)?sh\s{1,4}(?:-c\s{1,4})?[\"']?(?:<\(|\$\()\s{0,4}(?:curl|wget)\b|/dev/tcp/"
)
_HIDEOUT = re.compile(r"(?:^|[\s'\"=;&|:*!.(])(?:/tmp|/var/tmp|/dev/shm)/[\w.]")
"""A program in a scratch place: what has to run after the next start is not kept there."""


def _changed(one: Seen) -> Iterator[Danger]:
    kept = False
    for path in one.writes:
        if path.endswith((".git/hooks/**", ".git/hooks")) or (_PERSISTS.search(path) and not path.endswith(".sample")):
            kept = True
            weight = 0.88 if _ADMITS.search(path) else 0.5 if _only_sets(one) else 0.6
            yield danger(one, "persistence", f"changes {shown(path)}, which runs or admits somebody later", weight)
    if kept or _scheduled(one):
        yield from _later(one)


_SETS = re.compile(r"\s{0,8}(?:export\s{1,4})?[A-Za-z_]\w{0,60}=(?![^\n]{0,300}(?:\$\(|`))[^\n;&|]{0,300}\n?")


def _only_sets(one: Seen) -> bool:
    """Whether what is added to a profile only sets a variable."""
    text = printed(one.command)
    return UNKNOWN not in text and _SETS.fullmatch(text) is not None and not _STEERS.search(text)


def _scheduled(one: Seen) -> bool:
    program, argv = one.command.program, one.command.argv
    return (program == "crontab" and "-l" not in argv) or program in (
        "at",
        "batch",
        "systemd-run",
        "schtasks",
        "launchctl",
    )


def _later(one: Seen) -> Iterator[Danger]:
    """What runs later fetches its text from the network each time, or lies where nobody keeps programs."""
    command = one.command
    source = command.stdin
    texts = (command.raw, source.raw if source is not None else "", *(redirect.text for redirect in command.redirects))
    text = "\n".join(texts)[:8_000]
    if _FETCH_AND_RUN.search(text):
        yield danger(one, "persistence", "has text from the network run again and again", 0.92)
    elif _HIDEOUT.search(text.replace(command.program, " ", 1)):
        yield danger(one, "persistence", "has a program from a scratch or hidden place run later", 0.88)


_AT_LOGON = re.compile(r"currentversion.{0,4}run|winlogon|\bservices\b")
_MAKES_TASKS = ("register-scheduledtask", "new-service", "new-scheduledtask")


_TIME = re.compile(
    r"\d{1,2}(?::?\d{2})?(?:am|pm)?|now|noon|midnight|teatime|today|tomorrow|\+|\d{6,12}|[\d./-]{6,10}", re.IGNORECASE
)


def _for_later(one: Seen) -> bool:
    """Whether ``at`` is told a time, or given a file; stack traces begin with its name too."""
    words = one.command.argv[1:]
    asks = {"-l", "-q", "-V", "-c", "-d"} & set(words)
    return not asks and (one.command.program == "batch" or any(_TIME.fullmatch(w) or w in ("-f", "-t") for w in words))


def _programs(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    words = set(argv)
    text = " ".join(argv[1:])[:2_000]
    low = text.lower()
    if program == "crontab" and "-l" not in argv:
        yield danger(one, "persistence", "changes the table of scheduled jobs", 0.6)
    elif program in ("at", "batch") and _for_later(one):
        yield danger(one, "persistence", "schedules a command for later", 0.6)
    elif program == "systemd-run" and any(word.startswith(("--on-", "--timer")) for word in argv):
        yield danger(one, "persistence", "schedules a command for later", 0.62)
    elif (program in ("schtasks", "schtasks.exe") and "/create" in low) or program.lower() in _MAKES_TASKS:
        yield danger(one, "persistence", "schedules a command for later", 0.65)
    elif program in ("reg", "reg.exe") and "add" in words and re.search(_AT_LOGON, low):
        yield danger(one, "persistence", "has a program run at every logon", 0.86)
    elif program == "launchctl" and {"load", "bootstrap", "enable", "submit"} & words:
        yield danger(one, "persistence", "makes a service start by itself", 0.62)
    elif (program == "systemctl" and "enable" in words) or program in ("update-rc.d", "chkconfig", "rc-update"):
        yield danger(one, "persistence", "makes a service start by itself", 0.45)
    elif program in ("useradd", "adduser"):
        yield danger(one, "persistence", "adds a user", 0.55)
    elif program == "ssh-copy-id":
        yield danger(one, "persistence", "admits a key to another machine", 0.7)
    elif re.search(r"\bcreate-access-key\b|\bservice-accounts keys create\b|\bcreate-login-profile\b", low):
        yield danger(one, "persistence", "makes new credentials of an account", 0.65)


def _repository(one: Seen) -> Iterator[Danger]:
    argv = one.command.argv
    if one.command.program != "git" or {"--get", "--unset", "--list", "-l"} & set(argv):
        return
    text = " ".join(argv[1:])[:2_000]
    if "core.hookspath" in text.lower():
        hidden = _HIDEOUT.search(f" {text}") is not None
        yield danger(one, "persistence", "redirects the repository's hooks", 0.86 if hidden else 0.6)
    elif "config" in argv[1:4] and re.search(
        r"\balias\.\S{1,40} !|\bcore\.(?:sshcommand|pager|editor|fsmonitor|askpass)\b|\bcredential\.helper !|"
        r"\.(?:clean|smudge) ",
        text,
        re.IGNORECASE,
    ):
        hidden = _HIDEOUT.search(f" {text}") is not None
        yield danger(one, "persistence", "has git run a program from now on", 0.8 if hidden else 0.5)


RULES = (_changed,)
_STARTERS = named(
    """
    crontab at batch systemd-run schtasks schtasks.exe reg reg.exe launchctl systemctl update-rc.d chkconfig rc-update
    useradd adduser ssh-copy-id aws gcloud register-scheduledtask new-service new-scheduledtask
    """
)
OF_PROGRAMS = {"git": (_repository,), **dict.fromkeys(_STARTERS, (_programs,))}
"""Rules that only speak of some programs."""
