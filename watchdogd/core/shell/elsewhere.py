"""Removals that reach beyond this machine's files: services, clusters, databases, remote branches, containers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.events import Impact
from watchdogd.core.shell.danger import Danger, Seen, danger
from watchdogd.core.shell.effects import READERS
from watchdogd.core.shell.literals import given
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, outside
from watchdogd.core.shell.runners import SHELLS

_THROWAWAY = re.compile(
    r"(?:^|[^a-z])(?:test|tests|testing|tmp|temp|dev|develop|development|scratch|staging|sandbox|ci|local|localhost|demo|"
    r"preview|e2e|ephemeral|playground|minikube)(?:[^a-z]|$)"
)
_PRODUCTION = re.compile(r"(?:^|[^a-z])(?:prod|prd|production|live)(?:[^a-z]|$)")
_BRANCHES = named("main master trunk develop production prod release")
_VERBS = named("delete destroy drop purge wipe terminate nuke erase remove rm rb del reset fresh flush uninstall")
_HOLDINGS = named(
    """
    database databases db dbs schema keyspace bucket buckets namespace namespaces ns cluster clusters volume volumes pv
    pvc persistentvolume persistentvolumeclaim disk disks instance instances vm vms server servers droplet droplets
    project projects repo repos repository group stack stacks zone zones table tables collection snapshot snapshots
    backup backups org organization account subscription tenant app apps pool dataset datasets vault node nodes
    environment site sites migrate vhost filesystem storage topic topics queue queues keys
    """
)
"""Things that hold much more than themselves."""
_HEAVY = named(
    "database db schema bucket namespace cluster volume project repo repository stack vm instance tenant keyspace vault"
)
_FOR_GOOD = named("delete destroy drop purge wipe nuke")
_UNASKED = re.compile(
    r"-y|-f|-q|-af|-fa|--?(?:yes|force|quiet|auto-approve|no-confirm|assume-yes|force-delete|no-input|no-interaction|"
    r"non-interactive|grace-period=0|noninteractive|skip-final-snapshot|confirm\S{0,40})"
)
_OWN_WAYS = (
    READERS
    | SHELLS
    | named(
        """
        git rm find pip pip3 pipx npm yarn pnpm cargo gem go apt apt-get apt-cache dnf yum apk brew conda poetry uv make
        cmake ninja docker podman kill pkill sed awk tar cp mv ln ssh scp rsync curl wget
        """
    )
)
"""Programs with words of their own for small removals; other rules look at them."""
_EVERYTHING = named("--all --prefix --recurse -recurse --recursive --all-namespaces")
_CLIENTS = named("psql mysql mariadb mongo mongosh redis-cli valkey-cli cqlsh clickhouse-client sqlcmd sqlite3 duckdb")
_WHOLE = re.compile(r"\bdrop\s{1,8}(?:database|schema|keyspace)\b|\bflushall\b|\bdropdatabase\s{0,4}\(", re.IGNORECASE)
_SPLIT = re.compile(r"[-_:./=]")


def guarded_push(argv: Sequence[str]) -> bool:
    """Whether a forced push leaves the common branches alone, and gives way to others' commits or removes a branch."""
    leased = any(word.startswith("--force-with-lease") for word in argv) and not {"-f", "--force"} & set(argv)
    return bool(leased or _unbranches(argv)) and not _common(argv)


def _unbranches(argv: Sequence[str]) -> bool:
    return bool({"--delete", "-d"} & set(argv)) or any(word.startswith(":") for word in argv)


def _common(argv: Sequence[str]) -> bool:
    plain = [word for word in argv if not word.startswith("-")]
    return any(part in _BRANCHES for word in plain[1:] for part in re.split(r"[:/+]", word))


def throwaway(text: str) -> bool:
    """Whether what ``text`` names is called a thing to throw away."""
    low = text.lower()
    return bool(_THROWAWAY.search(low)) and not _PRODUCTION.search(low)


def _own(argv: Sequence[str]) -> bool:
    """Whether a push names a branch, and none of the common ones."""
    plain = [word for word in argv[argv.index("push") + 1 :] if not word.startswith("-")] if "push" in argv else []
    branches = plain[1:]
    return bool(branches) and not _common(argv) and not any(UNKNOWN in word or "HEAD" in word for word in branches)


def _routine(argv: Sequence[str]) -> bool:
    """Whether what is removed elsewhere comes back by itself."""
    words = [word.lower() for word in argv[1:]]
    workload = argv[:1] in (("kubectl",), ("oc",)) and words[:1] == ["delete"]
    return workload and words[1:2] in (["pod"], ["pods"], ["po"], ["job"], ["jobs"]) and "--all" not in words


def _services(one: Seen) -> Iterator[Danger]:
    argv, program = one.command.argv, one.command.program
    known = next((reason for reason in one.effect.reasons if "removes something elsewhere" in reason), "")
    if len(argv) < 2 or (not known and program in _OWN_WAYS):
        return
    words = [word.lower() for word in argv[1:40]]
    plain = [word for word in words[:12] if not word.startswith("-") and " " not in word]
    parts = {part for word in plain for part in _SPLIT.split(word)} | set(_SPLIT.split(program.lower()))
    told = {word.lstrip("-") for word in words} & {"delete", "destroy", "drop", "purge"}
    parts |= told | {word.lstrip("-") for word in words if told and word.startswith("--")}
    if not known and not (parts & _VERBS and (parts & _HOLDINGS or _EVERYTHING & set(words))):
        return
    if any(word.startswith(("--dry-run", "--help")) for word in words):
        return
    text = " ".join(words)
    holds = bool(parts & _HOLDINGS) or "--all" in words or program in ("terraform", "tofu", "pulumi") or _empties(words)
    unasked = any(_UNASKED.fullmatch(word) for word in words) or "--recursive" in words or "-r" in words
    if throwaway(text):
        weight = 0.45
    elif _PRODUCTION.search(text):
        weight = 0.88
    elif holds and (unasked or _wholesale(program, words)):
        weight = 0.86 if known else 0.7
    else:
        all_of_it = not known and not _EVERYTHING.isdisjoint(words)
        weight = 0.45 if _routine(argv) else 0.62 if known or all_of_it else 0.5
    if weight == 0.5 and "call" in one.command.via and _HEAVY & parts and _FOR_GOOD & parts:
        weight = 0.65  # nobody is asked again
    name = f"{program} {' '.join(plain[:3])}".rstrip()[:80]
    yield danger(one, "destructive", known or f"{name} removes something that holds much", weight)


def _empties(words: Sequence[str]) -> bool:
    return any(word.startswith(("s3://", "gs://")) for word in words) or bool({"purge", "projects"} & set(words))


def _wholesale(program: str, words: Sequence[str]) -> bool:
    """Whether a cluster's whole namespaces, volumes or nodes go."""
    whole = named("namespace namespaces ns pv pvc node nodes --all --all-namespaces -a projects project")
    return program in ("kubectl", "oc", "gcloud") and bool(whole & set(words))


def _database(one: Seen) -> Iterator[Danger]:
    command, effect = one.command, one.effect
    stated = [r for r in effect.reasons if r.startswith(("the statement says", "the statement changes every row"))]
    dropped = [reason for reason in effect.reasons if reason.endswith("removes a database")]
    if not stated and not dropped:
        return
    text = " ".join((*command.argv[1:], *(redirect.text for redirect in command.redirects)))
    if command.stdin is not None and (piped := given(command)) != UNKNOWN:
        text += " " + piped
    text = text[:8_000]
    known = command.program in _CLIENTS or bool(dropped)
    if throwaway(text) or (not known and not _WHOLE.search(text)):
        weight = 0.4
    elif _PRODUCTION.search(text.lower()):
        weight = 0.88
    elif _WHOLE.search(text):
        weight = 0.7
    elif "if exists" in text.lower():
        weight = 0.45
    elif command.program in ("sqlite3", "duckdb"):
        weight = 0.62 if any(outside(path, one.workspace) for path in effect.writes) else 0.4
    else:
        weight = 0.65 if effect.hosts or "call" in command.via else 0.55
    whole = "drops a whole database" if _WHOLE.search(text) else (*stated, *dropped)[0]
    yield danger(one, "destructive", whole, weight)


def _repositories(one: Seen) -> Iterator[Danger]:
    argv = one.command.argv
    for reason in one.effect.reasons:
        if reason.startswith("git push rewrites"):
            forced = {"-f", "--force"} & set(argv)
            gone = (_unbranches(argv) and _common(argv)) or ("--mirror" in argv and forced)
            yield danger(
                one, "destructive", reason, 0.88 if gone else 0.4 if guarded_push(argv) else 0.5 if _own(argv) else 0.6
            )
        elif reason == "git forgets earlier states":
            yield danger(one, "destructive", reason, 0.62 if "--all" in argv else 0.35)
        elif reason == "git filter-branch throws work away" or reason == "git filter-repo throws work away":
            yield danger(one, "destructive", reason, 0.5)
        elif reason.startswith("git ") and reason.endswith("work away"):
            yield danger(one, "destructive", reason, 0.35)


def _containers(one: Seen) -> Iterator[Danger]:
    argv, effect = one.command.argv, one.effect
    if one.command.program not in ("docker", "podman", "docker-compose") or effect.impact is not Impact.DESTRUCTIVE:
        return
    words = [word.lower() for word in argv[1:]]
    text = " ".join(words)
    pruned = "prune" in words
    everything = "--volumes" in words or any(re.match(r"--all|-\w{0,3}a", word) for word in words)
    weight = 0.35
    if "volume" in words or "--volumes" in words:
        unknown = any(UNKNOWN in word for word in argv)
        weight = 0.62 if unknown or (pruned and everything) else 0.35
    if _PRODUCTION.search(text) and {"-v", "--volumes", "volume", "-af"} & set(words):
        weight = 0.65
    reason = "removes every volume that no container uses now" if pruned and weight > 0.5 else effect.reasons[-1]
    yield danger(one, "destructive", reason, weight)


def wholesale(seen: Sequence[Seen]) -> Iterator[Danger]:
    """Everything that a program lists is handed to the same program for removal."""
    for one in seen:
        command = one.command
        if not any(UNKNOWN in word for word in command.argv[1:]) or one.effect.impact is not Impact.DESTRUCTIVE:
            continue
        if "removes something elsewhere" not in " ".join(one.effect.reasons):
            continue
        listing = [
            other.command.argv for other in seen if other is not one and other.command.program == command.program
        ]
        if any(not throwaway(" ".join(argv)) and "--filter" not in " ".join(argv) for argv in listing):
            yield danger(one, "destructive", "removes everything of a kind that is listed elsewhere", 0.86)


def _requests(one: Seen) -> Iterator[Danger]:
    """A request that removes what holds much, or everything of a kind."""
    argv = one.command.argv
    if "DELETE" not in argv:
        return
    url = next((word for word in argv[1:] if "://" in word or "/" in word), "").lower()
    path = url.partition("://")[2].partition("/")[2] if "://" in url else url
    path = path.partition("?")[0].rstrip("/")
    parts = path.split("/")
    if throwaway(url) or re.match(r"\w{2,8}://(?:127\.|\[::1\])", url):
        return
    if _HOLDINGS & set(parts) or parts[-1] in ("all", "*", "_all") or (path and parts[-1].endswith("s")):
        weight = 0.88 if _PRODUCTION.search(url) else 0.62
        yield danger(one, "destructive", f"asks a service to remove {url[:80]}", weight)


RULES = (_services, _database)
OF_PROGRAMS = {
    "git": (_repositories,),
    **dict.fromkeys(("docker", "podman", "docker-compose"), (_containers,)),
    **dict.fromkeys(("curl", "http", "https", "wget", "gh", "glab"), (_requests,)),
}
"""Rules that only speak of one program."""
