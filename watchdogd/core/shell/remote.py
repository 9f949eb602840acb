"""Programs that reach beyond this machine: version control, transfer, packages, cloud, containers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from watchdogd.core.events import Impact
from watchdogd.core.shell.effects import Effect, Handler, register, shown
from watchdogd.core.shell.options import host_of, named, sorted_words
from watchdogd.core.shell.paths import UNKNOWN
from watchdogd.core.shell.simple import SimpleCommand

_CURL_VALUES = (
    "o",
    "d",
    "F",
    "T",
    "X",
    "H",
    "u",
    "A",
    "b",
    "c",
    "e",
    "x",
    "m",
    "w",
    "K",
    "E",
    "D",
    "r",
    "C",
    "Y",
    "y",
    "z",
    "--output",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--form",
    "--upload-file",
    "--request",
    "--header",
    "--user",
    "--json",
    "--url",
    "--proxy",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--config",
    "--cookie",
    "--cookie-jar",
    "--user-agent",
    "--referer",
    "--write-out",
    "--cert",
    "--key",
    "--cacert",
    "--form-string",
    "--resolve",
)
_CURL_SENDS = (
    "d",
    "F",
    "T",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--form",
    "--form-string",
    "--upload-file",
    "--json",
)


def _curl(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], _CURL_VALUES)
    urls = [*words.operands, *(value for flag, value in words.values if flag == "--url")]
    effect.hosts += [host for url in urls if (host := host_of(url))]
    method = words.value("X", "--request").upper()
    sends = words.has(*_CURL_SENDS) or method in ("POST", "PUT", "PATCH", "DELETE")
    if sends and not (words.has("G", "--get") and not method):
        effect.at_least(Impact.EXTERNAL, f"curl sends data to {shown(', '.join(effect.hosts)) or 'a server'}")
    elif any(UNKNOWN in url for url in urls):
        effect.at_least(Impact.EXTERNAL, "curl asks an address that is put together when it runs")
    else:
        effect.at_least(Impact.NETWORK, f"curl fetches from {shown(', '.join(effect.hosts)) or 'a server'}")
    targets = [value for flag, value in words.values if flag in ("o", "--output") and value not in ("-", "/dev/null")]
    if words.has("O", "--remote-name", "J"):
        targets += [url.rstrip("/").rsplit("/", 1)[-1] for url in urls]
    effect.writes += targets


def _wget(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(
        command.argv[1:],
        (
            "O",
            "o",
            "P",
            "U",
            "e",
            "i",
            "T",
            "t",
            "Q",
            "--output-document",
            "--post-data",
            "--post-file",
            "--method",
            "--body-data",
            "--body-file",
            "--header",
            "--directory-prefix",
            "--user-agent",
        ),
    )
    effect.hosts += [host for url in words.operands if (host := host_of(url))]
    method = words.value("--method").upper()
    sends = words.has("--post-data", "--post-file", "--body-data", "--body-file") or method in (
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
    )
    verb = "sends data to" if sends else "fetches from"
    effect.at_least(
        Impact.EXTERNAL if sends else Impact.NETWORK, f"wget {verb} {shown(', '.join(effect.hosts)) or 'a server'}"
    )
    target = words.value("O", "--output-document")
    if target not in ("-", "/dev/null"):
        prefix = words.value("P", "--directory-prefix")
        names = [target] if target else [url.rstrip("/").rsplit("/", 1)[-1] for url in words.operands]
        effect.writes += [f"{prefix}/{name}" if prefix else name for name in names]


def _ssh(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], tuple("bcDEeFIiJLlmOopQRSWw"), until_operand=True)
    host = host_of(words.operands[0]) if words.operands else ""
    effect.hosts += [host] if host else []
    if len(words.operands) > 1:
        effect.at_least(Impact.EXTERNAL, f"ssh runs a command on {shown(host)}")
        effect.scripts.append(" ".join(words.operands[1:]))
    else:
        effect.at_least(Impact.NETWORK, f"ssh opens {shown(host)}")


def _copy_remote(effect: Effect, command: SimpleCommand) -> None:
    words = sorted_words(command.argv[1:], (*tuple("eFiJloPSc"), "--rsh", "--exclude", "--include", "--port"))
    remote = [
        re.match(r"[^/\s]{1,253}:", word) is not None or word.startswith(("rsync://", "sftp://"))
        for word in words.operands
    ]
    effect.hosts += [host for word, far in zip(words.operands, remote, strict=True) if far and (host := host_of(word))]
    if remote and remote[-1]:
        effect.at_least(Impact.EXTERNAL, f"{command.program} copies files to {shown(', '.join(effect.hosts))}")
        return
    effect.writes += words.operands[-1:]
    if any(remote):
        effect.at_least(Impact.NETWORK, f"{command.program} copies files from {shown(', '.join(effect.hosts))}")
    elif command.program == "rsync":
        effect.at_least(Impact.WRITE, f"rsync writes {shown(''.join(words.operands[-1:]))}")
    else:
        effect.at_least(Impact.NETWORK, f"{command.program} copies files")
    if words.has("--delete", "--delete-after", "--delete-before", "--remove-source-files"):
        effect.trees += words.operands[-1:]
        effect.removes += words.operands[-1:]
        effect.at_least(Impact.DESTRUCTIVE, "rsync deletes what the source does not have")


def _plain(impact: Impact, reason: str, *, operand_hosts: bool = False) -> Handler:
    def handler(effect: Effect, command: SimpleCommand) -> None:
        effect.at_least(impact, f"{command.program} {reason}")
        if operand_hosts:
            words = sorted_words(command.argv[1:], ("p", "s", "w", "c", "t", "i", "W", "l", "x", "e"))
            effect.hosts += [host for word in words.operands[:1] if (host := host_of(word.lstrip("@")))]
            if any(UNKNOWN in word for word in words.operands):
                effect.at_least(Impact.EXTERNAL, f"{command.program} names something only known when it runs")

    return handler


def _broker(effect: Effect, command: SimpleCommand) -> None:
    publishes = command.program == "mosquitto_pub"
    verb = "publishes a message" if publishes else "listens to a broker"
    effect.at_least(Impact.EXTERNAL if publishes else Impact.NETWORK, f"{command.program} {verb}")
    host = sorted_words(command.argv[1:], ("h", "t", "m", "p", "u", "P", "--host")).value("h", "--host")
    effect.hosts += [host] if host else []


def _openssl(effect: Effect, command: SimpleCommand) -> None:
    effect.at_least(Impact.EXECUTE, "runs openssl")
    for at, word in enumerate(command.argv[:-1]):
        if word == "-connect" and (host := host_of(command.argv[at + 1])):
            effect.hosts.append(host)
            effect.at_least(Impact.NETWORK, f"openssl talks to {shown(host)}")
        elif word == "-out":
            effect.writes.append(command.argv[at + 1])


_VERBS: Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    name: (frozenset(reads.split()), frozenset(fetches.split()), frozenset(publishes.split()))
    for name, reads, fetches, publishes in (
        ("pip", "list show freeze check --version help config debug", "install download wheel index", ""),
        ("pipx", "list", "install upgrade run inject", ""),
        ("conda", "list info env", "install create update search", ""),
        (
            "npm",
            "ls list view outdated --version -v help root prefix",
            "install i ci add update exec audit",
            "publish unpublish deprecate",
        ),
        ("yarn", "list info why --version", "install add upgrade dlx", "publish"),
        ("pnpm", "ls list why --version", "install i add update dlx", "publish"),
        ("cargo", "tree metadata --version search", "install add update fetch", "publish yank"),
        ("gem", "list --version", "install update fetch", "push yank"),
        ("go", "version env list doc vet", "get install mod", ""),
        ("apt", "list show search policy --version", "install update upgrade download full-upgrade", ""),
        ("apt-get", "--version", "install update upgrade download dist-upgrade", ""),
        ("apt-cache", "search show policy depends rdepends", "", ""),
        ("yum", "list info search", "install update", ""),
        ("dnf", "list info search", "install update upgrade", ""),
        ("apk", "info list", "add update upgrade fetch", ""),
        ("brew", "list info search --version", "install upgrade update fetch", ""),
        (
            "docker",
            "ps images logs inspect version info stats top diff history --version port",
            "pull build login search",
            "push",
        ),
        (
            "podman",
            "ps images logs inspect version info stats top diff history --version",
            "pull build login search",
            "push",
        ),
        ("twine", "check --version", "", "upload"),
        ("gh", "--version", "api auth repo search status", "pr issue release gist workflow"),
        ("systemctl", "status list-units list-unit-files is-active is-enabled show cat list-timers", "", ""),
        ("service", "--status-all", "", ""),
        ("journalctl", "", "", ""),
        ("crontab", "-l", "", ""),
    )
}
_REMOVES = named(
    """
    remove uninstall purge autoremove rm rmi prune clean delete destroy terminate drop down
    """
)


def _verbs(effect: Effect, command: SimpleCommand) -> None:
    reads, fetches, publishes = _VERBS[command.program.rstrip("3")]
    words = [word for word in command.argv[1:] if not word.startswith("-") or word in reads]
    verb = words[0] if words else ""
    second = words[1] if len(words) > 1 else ""
    if command.program in ("pip", "pip3"):
        effect.writes += [one for flag, one in sorted_words(command.argv[1:], ("t", "d", "w")).values if flag in "tdw"]
    if command.program in ("docker", "podman", "go"):
        _registry(effect, command.program, verb, words)
    if verb in reads and not (verb == "config" and second == "set"):
        return
    if verb in publishes:
        effect.at_least(Impact.EXTERNAL, f"{command.program} {verb} publishes")
    elif verb in fetches:
        effect.at_least(Impact.NETWORK, f"{command.program} {verb} fetches from the network")
    elif command.program in ("docker", "podman") and (
        verb in _REMOVES or second in _REMOVES or (verb in ("compose", "stack") and _REMOVES & set(words[1:6]))
    ):
        effect.at_least(Impact.DESTRUCTIVE, f"{command.program} {verb} {second} removes".replace("  ", " "))
    else:
        effect.at_least(Impact.EXECUTE, f"runs {command.program} {verb}".rstrip())


_REGISTRY = re.compile(r"([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})(?::\d{1,5})?/")


def _registry(effect: Effect, program: str, verb: str, words: list[str]) -> None:
    """The host that the name of an image or module begins with; where ``docker cp`` writes."""
    if verb == "cp" and len(words) > 2 and ":" not in words[2]:
        effect.writes.append(words[2])
        effect.at_least(Impact.WRITE, f"{program} cp writes {shown(words[2])}")
    if verb in ("pull", "push", "run", "create", "get", "install", "login"):
        named_here = (word if verb != "login" else f"{word}/" for word in words[1:8])
        found = next((match for word in named_here if (match := _REGISTRY.match(word))), None)
        effect.hosts += [found.group(1).lower()] if found is not None else []


_CLOUD_DESTROYS = re.compile(
    r"(?:^|[-:])(?:delete|destroy|terminate|remove|rm|rb|drop|purge|uninstall|deregister|revoke|wipe|drain|force-unlock)(?:$|[-:])"
)
_CLOUD_READS = re.compile(
    r"(?:^|[-:])(?:get|describe|list|ls|show|plan|version|validate|fmt|output|logs|top|explain|status|history|diff|template|lint|search|whoami|help)(?:$|[-:])"
)


def _cloud(effect: Effect, command: SimpleCommand) -> None:
    words = [word.lower() for word in command.argv[1:] if not word.startswith("-")]
    name = f"{command.program} {' '.join(words[:3])}".rstrip()
    local = command.program in ("terraform", "tofu") and words[:1] in (["fmt"], ["validate"], ["version"])
    if any(_CLOUD_DESTROYS.search(word) for word in words[:4]) or (
        words[:1] == ["apply"] and "-destroy" in command.argv
    ):
        effect.at_least(Impact.DESTRUCTIVE, f"{shown(name)} removes something elsewhere")
    elif local:
        effect.at_least(Impact.READ if words != ["fmt"] else Impact.WRITE)
    elif any(_CLOUD_READS.search(word) for word in words[:3]):
        effect.at_least(Impact.NETWORK, f"{shown(name)} asks a service")
    else:
        effect.at_least(Impact.EXTERNAL, f"{shown(name)} changes something elsewhere")


register(dict.fromkeys(_VERBS, _verbs))
register({"pip3": _verbs})
register(
    dict.fromkeys(
        (
            "aws",
            "gcloud",
            "az",
            "kubectl",
            "oc",
            "helm",
            "terraform",
            "tofu",
            "pulumi",
            "gsutil",
            "doctl",
            "heroku",
            "flyctl",
            "vercel",
            "netlify",
            "s3cmd",
            "rclone",
            "ansible",
            "ansible-playbook",
        ),
        _cloud,
    )
)
register(
    dict.fromkeys(
        (
            "mail",
            "mailx",
            "sendmail",
            "mutt",
            "msmtp",
            "swaks",
            "ssmtp",
            "nc",
            "ncat",
            "netcat",
            "socat",
            "telnet",
            "ftp",
            "tftp",
            "lftp",
        ),
        _plain(Impact.EXTERNAL, "sends data away", operand_hosts=True),
    )
)
register(
    dict.fromkeys(
        ("dig", "nslookup", "host", "ping", "ping6", "traceroute", "whois", "nmap", "mtr", "arp-scan"),
        _plain(Impact.NETWORK, "asks the network", operand_hosts=True),
    )
)
register(dict.fromkeys(("kafkacat", "kcat"), _plain(Impact.EXTERNAL, "publishes a message")))
register({"mosquitto_pub": _broker, "mosquitto_sub": _broker, "openssl": _openssl})
register(dict.fromkeys(("npx", "pnpx", "bunx", "uvx"), _plain(Impact.NETWORK, "fetches and runs a package")))
register({"curl": _curl, "wget": _wget, "aria2c": _wget, "http": _curl, "https": _curl, "ssh": _ssh, "autossh": _ssh})
register(dict.fromkeys(("scp", "rsync", "sftp"), _copy_remote))
