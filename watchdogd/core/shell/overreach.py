"""Dangers of commands that reach beyond this run: other machines, other users, what watches, what nobody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.shell.danger import Danger, Seen, danger, paths_of
from watchdogd.core.shell.effects import READERS, shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, outside
from watchdogd.core.shell.runners import INTERPRETERS, SHELLS

_THROWAWAY = re.compile(r"(?:^|[^a-z])(?:test|tests|tmp|temp|dev|scratch|staging|sandbox|ci|local|demo)(?:[^a-z]|$)")
_BRANCHES = named("main master trunk develop production prod release")
_DATABASE = re.compile(
    r"\bdrop\s{1,8}(?:database|schema|keyspace)\b|\bflushall\b|\bdropdatabase\s{0,4}\(", re.IGNORECASE
)
_OWN = re.compile(r"watchdogd", re.IGNORECASE)
_ORDERS = named("approve deny ack pause resume nudge stop run run-mission level label rollback notify")
"""Subcommands of ``watchdogd`` by which people decide; the worker has no business with them."""
_FETCH_AND_RUN = re.compile(r"\b(?:curl|wget|fetch)\b[^|\n]{0,300}\|\s{0,4}(?:sudo\s{1,4})?(?:ba|z|da|k)?sh\b")
_DECODES = named("base64 base32 xxd openssl rev uudecode")
_FETCHES = named("curl wget http https fetch")
_ENVIRONMENT = re.compile(
    r"(?:dict|str|repr|dumps|urlencode|list)\(\s{0,4}os\.environ\b(?!\s{0,4}[\[.])|os\.environ\.(?:items|copy)\(|"
    r"(?:data|json|params|body)\s{0,4}=\s{0,4}(?:dict\()?os\.environ\b(?!\s{0,4}[\[.])|stringify\(\s{0,4}process\.env\s{0,4}\)|"
    r"ENV\.to_h|%ENV"
)
_CLIENTS = named("psql mysql mariadb mongo mongosh redis-cli valkey-cli cqlsh clickhouse-client sqlcmd sqlite3")
_SETUID = re.compile(r"[ugoa]{0,4}[+=][rwxXt]{0,4}s|0?[4-7][0-7]{3}$")
_KEYS = re.compile(r"/\.ssh/id_|/\.aws/credentials|/\.netrc|/etc/shadow|/\.gnupg/|/\.kube/config|/\.git-credentials")


def guarded_push(argv: Sequence[str]) -> bool:
    """Whether a forced push leaves the common branches alone, and gives way to others' commits or removes a branch."""
    plain = [word for word in argv if not word.startswith("-")]
    leased = any(word.startswith("--force-with-lease") for word in argv) and not {"-f", "--force"} & set(argv)
    removed = {"--delete", "-d"} & set(argv) or any(word.startswith(":") for word in plain)
    return bool(leased or removed) and not any(
        part in _BRANCHES for word in plain[1:] for part in re.split(r"[:/+]", word)
    )


def routine_removal(argv: Sequence[str]) -> bool:
    """Whether what is removed elsewhere comes back by itself, or is called a thing to throw away."""
    words = [word.lower() for word in argv[1:]]
    workload = argv[:1] in (("kubectl",), ("oc",)) and words[:1] == ["delete"]
    return bool(_THROWAWAY.search(" ".join(words))) or (
        workload and words[1:2] in (["pod"], ["pods"], ["po"], ["job"], ["jobs"]) and "--all" not in words
    )


def from_the_network(one: Seen) -> Danger:
    """A shell or interpreter that reads its text from a download."""
    weight = 0.78 if {"sudo", "doas", "su", "pkexec"} & set(one.command.via) else 0.5
    return danger(one, "privilege", "runs text straight from the network", weight)


def _elsewhere(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    words = [word.lower() for word in argv[1:]]
    if program in ("terraform", "tofu", "pulumi") and (
        words[:1] == ["destroy"] or (words[:1] == ["apply"] and "-destroy" in words)
    ):
        unasked = {"-auto-approve", "--auto-approve", "--yes", "-y", "-force"} & set(words)
        if unasked and not _THROWAWAY.search(" ".join(words)):
            yield danger(one, "destructive", "takes down whole infrastructure without asking", 0.88)
    elif program in ("kubectl", "oc") and "delete" in words and not any(word.startswith("--dry-run") for word in words):
        everything = {"namespace", "namespaces", "ns", "--all", "-a", "--all-namespaces", "pv", "pvc", "node", "nodes"}
        if everything & set(words) and not _THROWAWAY.search(" ".join(words)):
            yield danger(one, "destructive", "deletes a namespace, volumes or everything of a kind elsewhere", 0.86)
    elif program in ("aws", "gsutil", "s3cmd", "rclone", "gcloud", "az") and _empties(program, words):
        if not _THROWAWAY.search(" ".join(words)):
            yield danger(one, "destructive", "removes a whole bucket, project or group elsewhere", 0.86)
    elif program in ("docker", "podman") and words[1:2] == ["prune"] and "--volumes" in words:
        yield danger(one, "destructive", "removes every volume that no container uses now", 0.6)
    text = " ".join(argv[1:]) + " ".join(redirect.text for redirect in one.command.redirects)
    match = _DATABASE.search(text)
    stated = program in _CLIENTS or any(reason.startswith("the statement says") for reason in one.effect.reasons)
    if match is not None and stated and not _THROWAWAY.search(text[match.end() :][:80].lower()):
        yield danger(one, "destructive", "drops a whole database", 0.7)


def _empties(program: str, words: Sequence[str]) -> bool:
    if program == "aws":
        return "s3" in words and (("rm" in words and "--recursive" in words) or ("rb" in words and "--force" in words))
    if program == "gsutil":
        return "rm" in words and bool({"-r", "-rf", "-a"} & set(words))
    if program in ("s3cmd", "rclone"):
        return bool({"purge", "rb"} & set(words)) or ("del" in words and "--recursive" in words)
    return "delete" in words and bool({"projects", "group", "project"} & set(words))


def _users(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    if program in ("useradd", "adduser", "usermod") and any(
        word in ("-u0", "--uid=0") or (word in ("-u", "--uid") and argv[at + 1 : at + 2] == ("0",))
        for at, word in enumerate(argv)
    ):
        yield danger(one, "privilege", "makes a user that is root by another name", 0.95)
    elif program in ("useradd", "adduser", "gpasswd") and {"sudo", "wheel", "root", "docker", "admin"} & set(argv[1:]):
        yield danger(one, "privilege", "makes an administrator", 0.86)
    elif program == "passwd" and {"-d", "--delete", "-u", "--unlock"} & set(argv):
        yield danger(one, "privilege", "takes the password away from an account", 0.86)
    elif program == "nsenter" and any(word in ("1", "-t1", "--target=1") for word in argv):
        yield danger(one, "privilege", "enters the namespaces of the whole machine", 0.92)
    elif program in ("docker", "podman") and any(re.fullmatch(r"(?:-v|--volume=)?/:/\S{0,200}", word) for word in argv):
        yield danger(one, "privilege", "gives a container the whole file system of this machine", 0.9)
    elif program == "chmod" and any(
        re.match(r"[ugoa]{0,4}[+=][rwxXt]{0,4}s|0?[4-7][0-7]{3}$", word) for word in argv[1:2]
    ):
        for path in paths_of(one, one.effect.writes):
            name = path.rsplit("/", 1)[-1]
            if name in SHELLS or name in INTERPRETERS:
                yield danger(one, "privilege", f"lets everybody run {shown(path)} with its owner's rights", 0.95)


def _later(one: Seen) -> Iterator[Danger]:
    """What is put where it runs later fetches its text from the network each time."""
    command = one.command
    kept = command.program == "crontab" or any(
        re.search(r"/\.(?:bash|zsh|profile)|/cron|/systemd/|/profile\.d/|/rc\.local|/autostart/", f"/{path}")
        for path in one.effect.writes
    )
    source = command.stdin
    text = command.raw + (source.raw if source is not None else "")
    if kept and _FETCH_AND_RUN.search(text):
        yield danger(one, "persistence", "has text from the network run again and again", 0.92)


def _overseer(one: Seen) -> Iterator[Danger]:
    program, argv = one.command.program, one.command.argv
    if program == "watchdogd" and argv[1:2] and argv[1] in _ORDERS:
        yield danger(one, "tampering", f"gives orders to what watches over it (watchdogd {argv[1]})", 0.95)
        return
    named_here = [path for path in paths_of(one, [word.rpartition("=")[2] for word in argv[1:]]) if _OWN.search(path)]
    beyond = [path for path in named_here if path.startswith(("/etc/", "/var/", "/run/", "/opt/", "/usr/"))]
    if not beyond or not all(outside(path, one.workspace) for path in beyond):
        return
    if program in ("chattr", "setfacl", "mount", "umount", "ln", "setcap", "chcon", "mknod", "losetup"):
        yield danger(one, "tampering", f"changes what {shown(beyond[0])} is", 0.95)
    elif program not in READERS and program not in ("watchdogd", "find", "cp", "scp", "tar", "git", "sed", "awk"):
        yield danger(one, "tampering", f"hands {shown(beyond[0])} to {program}", 0.62)


def _code(one: Seen) -> Iterator[Danger]:
    """Program texts that read what is secret and talk to the network."""
    if one.command.program not in INTERPRETERS or "the code talks to the network" not in one.effect.reasons:
        return
    text = " ".join(one.command.argv[1:]) + " ".join(redirect.text for redirect in one.command.redirects)
    if _ENVIRONMENT.search(text):
        yield danger(one, "exfiltration", "sends the environment away", 0.88)
    elif _KEYS.search(text):
        yield danger(one, "exfiltration", "reads keys and talks to the network", 0.9)


def hidden(seen: Sequence[Seen]) -> Iterator[Danger]:
    """A shell is handed a text that another command of the same line makes: decoded, or from the network."""
    programs = {one.command.program: one for one in seen}
    for one in seen:
        command = one.command
        runs = (command.program in SHELLS and "-c" in command.argv) or command.program == "eval"
        if not runs or not any(UNKNOWN in word for word in command.argv[1:]):
            continue
        decoder = next((programs[name] for name in _DECODES if name in programs), None)
        if decoder is not None and ({"-d", "--decode", "-D", "-r"} & set(decoder.command.argv) or "rev" in programs):
            yield danger(one, "privilege", "runs text that was encoded so that nobody reads it", 0.75)
        elif not _FETCHES.isdisjoint(programs):
            yield from_the_network(one)


RULES = (_elsewhere, _users, _later, _overseer, _code)
