"""Commands that carry a secret away or open this machine to the network: exfiltration (ATT&CK TA0010, TA0011)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from watchdogd.core.events import Impact
from watchdogd.core.shell.danger import Danger, Seen, danger
from watchdogd.core.shell.effects import shown
from watchdogd.core.shell.options import named
from watchdogd.core.shell.paths import UNKNOWN, normal
from watchdogd.core.shell.runners import SHELLS, interprets
from watchdogd.core.shell.simple import SimpleCommand

_SECRETS = re.compile(
    r"(?:^|/)(?:\.ssh(?:/|$)|id_(?:rsa|dsa|ecdsa|ed25519)\b|\.aws(?:/|$)|\.netrc$|\.git-credentials$|\.kube(?:/|"
    r"$)|\.docker/config|"
    r"\.npmrc$|\.pypirc$|\.gnupg(?:/|$)|\.env(?:\.\w{1,20})?$|\.pgpass$|\.my\.cnf$|shadow$|"
    r"credentials(?:\.\w{1,8})?$|"
    r"secrets?(?:\.\w{1,8})?$|\.vault-token$|wallet\.dat$|[^/]{1,100}\.(?:pem|key|p12|pfx|kdbx|keystore|jks)$|"
    r"\.bash_history$|"
    r"\.zsh_history$|environ$|\.config/gcloud(?:/|$)|\.azure(?:/|$)|\.terraform\.d/credentials|Login Data$|"
    r"cookies\.sqlite$|"
    r"logins\.json$|\.password-store(?:/|$))"
)
_NO_SECRETS = (".env.example", ".env.sample", ".env.template", ".env.dist", ".pub", "known_hosts", ".ssh/config")
_SENDERS = named(
    """
    curl wget nc ncat netcat socat scp rsync sftp ftp lftp tftp telnet mail mailx sendmail mutt swaks msmtp http https
    openssl gh aws gsutil rclone mosquitto_pub ssh dig nslookup host drill ping gcloud az s3cmd mc kcat
    """
)
_HANDS_OVER = re.compile(
    r"paste|transfer|upload|wormhole|^croc$|^ffsend$|^termbin|^tb$|sendfile|^magic-|filebin|^telegram|webhook"
)
"""Names of programs whose only work is to hand a file to others."""
_NOT_READ = named(
    """
    source . chmod chown chgrp ls stat test [ ssh-keygen ssh-add touch mkdir rm export set echo printf find which file
    export-env dotenv direnv realpath dirname basename
    """
)
"""Programs that name a file without showing what is in it."""
_ENVIRONMENT = re.compile(
    r"(?:dict|str|repr|dumps|urlencode|list)\(\s{0,4}os\.environ\b(?!\s{0,4}[\[.])|os\.environ\.(?:items|copy)\(|"
    r"(?:data|json|params|body)\s{0,4}=\s{0,4}(?:dict\()?os\.environ\b(?!\s{0,4}[\[.])|"
    r"stringify\(\s{0,4}process\.env\s{0,4}\)|"
    r"ENV\.to_h|%ENV|\$_ENV\b|getenv\(\s{0,2}\)"
)
_KEYS = re.compile(
    r"/\.ssh/id_|/\.aws/credentials|/\.netrc|/etc/shadow|/\.gnupg/|/\.kube/config|/\.git-credentials|/\.pgpass|"
    r"/\.vault-token|"
    r"['\"/]\.env['\"]"
)
_SHELL_OUT = re.compile(r"dup2|pty\.spawn|/bin/(?:ba|z)?sh\b|\bsh -i\b|child_process|cmd\.exe")


_KEEPERS = re.compile(
    r"gpg2? .{0,80}--export-secret|security (?:find|dump)|pass (?:show )?\w|vault (?:kv )?(?:get|read)|"
    r"op (?:read|item get)|"
    r"aws (?:configure get|secretsmanager get-secret)|gcloud (?:auth print|secrets versions access)|gh auth token|"
    r"kubectl .{0,40}get secrets?\b.{0,80}-o|git credential|bw get|keyctl print|secret-tool lookup"
)
"""Commands that print what is kept secret."""


def leaks(seen: Sequence[Seen]) -> Iterator[Danger]:
    """Something secret is read and something is sent in one text."""
    senders = [one for one in seen if _is_sender(one)]
    if not senders:
        return
    plain = [one for one in senders if one.command.program in _SENDERS or _HANDS_OVER.search(one.command.program)]
    for one in seen:
        reach = plain if plain else [sender for sender in senders if _flows(one, sender)]
        if not reach:
            continue
        for word, path in _read(one) if one.command.program not in _NOT_READ else ():
            if not _as_identity(one, word, path):
                weight = 0.65 if all(map(_in_a_header, reach)) else 0.9  # a key may be what the service asks for
                yield danger(reach[0], "exfiltration", f"sends {shown(path)} away", weight)
        piped = any(_piped(one, sender) for sender in reach)
        if piped and _KEEPERS.match(" ".join(one.command.argv[:12])):
            yield danger(reach[0], "exfiltration", "sends what a keeper of secrets shows", 0.88)
        if _shows_environment(one.command) and (len(seen) > 1 or piped):
            yield danger(reach[0], "exfiltration", "sends the environment away", 0.86)


def _is_sender(one: Seen) -> bool:
    program = one.command.program
    if program in _SENDERS:
        return _sends(one)
    if _HANDS_OVER.search(program):
        return True
    return one.effect.impact is Impact.EXTERNAL and program != "git"


def is_secret_place(path: str) -> bool:
    """Whether ``path`` is where keys and passwords are kept."""
    place = normal(path)
    return _SECRETS.search(place) is not None and not place.endswith(_NO_SECRETS) and " " not in place


def _read(one: Seen) -> Iterator[tuple[str, str]]:
    """The words of ``one`` that name a secret place to read, and the place."""
    argv = one.command.argv
    operands = argv[1:-1] if one.command.program in ("cp", "mv", "install") else argv[1:]
    sources = [redirect.target for redirect in one.command.redirects if redirect.op == "<"]
    for word in (*operands, *sources):
        bare = word.removeprefix("@")
        bare = bare.partition("=@")[2] or (bare.partition("=")[2] if bare.startswith("-") else "") or bare
        if is_secret_place(bare):
            yield word, bare


def _flows(one: Seen, sender: Seen) -> bool:
    """Whether what ``one`` reads may be part of what ``sender`` carries."""
    return one is sender or _piped(one, sender) or any(UNKNOWN in word for word in sender.command.argv[1:])


def _piped(one: Seen, sender: Seen) -> bool:
    source, steps = sender.command.stdin, 0
    while source is not None and steps < 12:
        if source is one.command or source == one.command:
            return True
        source, steps = source.stdin, steps + 1
    return False


def _shows_environment(command: SimpleCommand) -> bool:
    argv = command.argv
    return argv in (
        ("env",),
        ("printenv",),
        ("export",),
        ("export", "-p"),
        ("set",),
        ("declare", "-p"),
        ("declare", "-x"),
    )


def pushed(seen: Sequence[Seen]) -> Iterator[Danger]:
    """A secret is added to a repository that the same text pushes; worse to a remote that it names itself."""
    pushes = [one for one in seen if one.command.program == "git" and "push" in one.command.argv[1:3]]
    added = [one for one in seen if one.command.program == "git" and {"add", "stage"} & set(one.command.argv[1:3])]
    if not pushes or not added:
        return
    words = [path for one in added for _, path in _read(one)]
    if not words:
        return
    remote = any(one.command.program == "git" and "remote" in one.command.argv[1:3] for one in seen) or any(
        "://" in word for one in pushes for word in one.command.argv
    )
    yield danger(pushes[0], "exfiltration", f"publishes {shown(words[0])}", 0.88 if remote else 0.7)


_TRANSFERS = named(
    "cp sync mv rsync upload put put-object put-parameter upload-batch gist release api issue pr copy scp"
)
"""Words by which a client of many services hands something over."""


def _sends(one: Seen) -> bool:
    command, program = one.command, one.command.program
    if program in ("curl", "wget", "http", "https"):
        return one.effect.impact is Impact.EXTERNAL or any(UNKNOWN in word for word in command.argv[1:])
    if program == "ssh":
        return command.stdin is not None or any(redirect.op.startswith("<") for redirect in command.redirects)
    if program == "openssl":
        return "s_client" in command.argv
    if program in ("dig", "nslookup", "host", "drill", "ping"):
        return any(UNKNOWN in word for word in command.argv[1:])  # what is asked for is only known when it runs
    if program in ("gh", "aws", "gcloud", "az") and _TRANSFERS.isdisjoint(command.argv[1:8]):
        return False
    if program in ("gh", "aws", "gsutil", "rclone", "scp", "rsync", "sftp", "gcloud", "az", "s3cmd", "mc"):
        return one.effect.impact in (Impact.EXTERNAL, Impact.DESTRUCTIVE)
    return True


def _in_a_header(one: Seen) -> bool:
    """Whether all that is only known when it runs stands in a header of a request that sends nothing else."""
    argv = one.command.argv
    unknown = [argv[at - 1] for at, word in enumerate(argv) if at and UNKNOWN in word]
    headers = bool(unknown) and all(flag in ("-H", "--header", "-u", "--user") for flag in unknown)
    return headers and one.effect.impact is not Impact.EXTERNAL


_IDENTITY = named(
    """
    -i --key --cert --cacert -E --netrc-file -F --env-file --identity --identity-file --private-key --kubeconfig
    --key-file --cert-file --tlskey --tlscert --secret --credentials-file -o
    """
)


def _as_identity(one: Seen, word: str, path: str) -> bool:
    """Whether ``path``, named in ``word``, is the key a client logs in with, or a certificate, not what it sends."""
    argv = one.command.argv
    if word.startswith("--") and word.partition("=")[0] in _IDENTITY:
        return True
    if one.command.program not in _SENDERS and _HANDS_OVER.search(one.command.program):
        return False
    at = argv.index(word) if word == path and word in argv else 0
    return at > 0 and argv[at - 1] in _IDENTITY


def _sockets(one: Seen) -> Iterator[Danger]:
    command = one.command
    program, argv = command.program, command.argv
    if any(redirect.target.startswith(("/dev/tcp/", "/dev/udp/")) for redirect in command.redirects):
        heavy = program in SHELLS or program in ("exec", "cat", "") or interprets(program)
        yield danger(one, "exfiltration", "talks to a raw network socket", 0.95 if heavy else 0.8)
    if program in ("nc", "ncat", "netcat", "socat"):
        if {"-e", "-c", "--exec", "--sh-exec"} & set(argv) or any(
            word.lower().startswith(("exec:", "system:")) for word in argv
        ):
            yield danger(one, "exfiltration", "opens a shell to the network", 0.96)
        elif command.stdin is not None and (command.stdin.program in SHELLS or interprets(command.stdin.program)):
            yield danger(one, "exfiltration", "opens a shell to the network", 0.92)
    elif (
        program in SHELLS and command.stdin is not None and command.stdin.program in ("nc", "ncat", "netcat", "telnet")
    ):
        yield danger(one, "exfiltration", "opens a shell to the network", 0.92)


def _code(one: Seen) -> Iterator[Danger]:
    """Program texts that read what is secret and talk to the network, or hand a shell to a socket."""
    if "the code talks to the network" not in one.effect.reasons or not interprets(one.command.program):
        return
    text = " ".join(one.command.argv[1:]) + " ".join(redirect.text for redirect in one.command.redirects)
    text = text[:20_000]
    if ("ocket" in text or "sockopen" in text or "connect(" in text) and _SHELL_OUT.search(text):
        yield danger(one, "exfiltration", "opens a shell to the network", 0.96)
        return
    if _ENVIRONMENT.search(text):
        yield danger(one, "exfiltration", "sends the environment away", 0.88)
    elif _KEYS.search(text):
        yield danger(one, "exfiltration", "reads keys and talks to the network", 0.9)


RULES = (_sockets, _code)
