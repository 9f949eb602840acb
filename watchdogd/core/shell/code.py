"""What a program text handed to an interpreter names: removals, writes, network, commands. Only a hint."""

from __future__ import annotations

import re

from watchdogd.core.events import Impact
from watchdogd.core.shell import sql
from watchdogd.core.shell.effects import Effect, shown
from watchdogd.core.shell.literals import decoded
from watchdogd.core.shell.options import URL_HOST
from watchdogd.core.shell.paths import SCRATCH_PLACE, UNKNOWN
from watchdogd.core.shell.quoting import unescaped
from watchdogd.core.shell.simple import SimpleCommand

_RUNS = re.compile(
    r"(?:os\.system|os\.popen|os\.execute|subprocess\.\w{1,20}|\w\.(?:check_call|check_output|Popen|run|call)|execSync|execFileSync|spawnSync|spawn|\bexec|\)\.system|\bsystem|popen|"
    r"shell_exec|passthru|Runtime\.getRuntime\(\)\.exec)\s{0,2}\(?\s{0,4}(?=[rbf]?['\"\[])"
)
_SHELL_QUOTES = re.compile(r"`([^`\n]{1,500})`|(?:%x|(?:system|exec)\(?\s{0,2}%?q{1,2})[(\[{]([^)\]}\n]{1,500})[)\]}]")
_ASKS = re.compile(r"execut|cursor|query|\.sql\b|\.raw\(|\.eval\(|\.run\(|\bsql\b")
_ENCODED = re.compile(
    r"(?:b64decode|atob|decode64|base64_decode|frombase64string)\(\s{0,4}b?['\"]([A-Za-z0-9+/=]{8,8000})['\"]",
    re.IGNORECASE,
)
_STRING = re.compile(r"[rbf]?(['\"])((?:[^'\"\\]|\\.){1,2000})\1")
_REMOVES = re.compile(
    r"(?:\bshutil\.rmtree|\brmtree|\bremove_tree|\bos\.(?:remove|unlink|rmdir|removedirs)|"
    r"\b(?:fs|fsp|fse|promises|\))\.(?:rm|unlink|rmdir|remove)(?:Sync)?|\)\.(?:rm|unlink|rmdir)(?:Sync)?|\brimraf(?:\.sync)?|"
    r"\bDeno\.remove(?:Sync)?|\b(?:File|Dir|FileUtils)\.(?:delete|unlink|rmdir|rm_rf|rm_r|rm)|\bos\.RemoveAll|\bunlink|\brmdir)\b"
    r"(?:\s{0,2}\(\s{0,4}|\s{1,2})(?:glob\(?\s{0,4})?(?:[rbf]?['\"]([^'\"\n]{1,300})['\"]|([A-Za-z_$][\w$]{0,60}))?|"
    r"\bPath\(\s{0,2}['\"]([^'\"\n]{1,300})['\"]\s{0,2}\)\.(?:unlink|rmdir)\(|['\"](?:unlink|rmdir|rmtree)['\"]\s{0,2},|"
    r"\.(?:unlink|rmdir)\(\s{0,2}(?:missing_ok|\))"
)
_TREES = (
    "rmtree",
    "remove_tree",
    "rm_rf",
    "rm_r",
    "removedirs",
    "recursive: true",
    "recursive:true",
    "RemoveAll",
    "rimraf",
)
_WALKS = re.compile(
    r"(?:\bwalk|\bPath|\bi?glob(?:Sync)?|\bscandir|\blistdir|\breaddirSync|\bDir\.(?:glob|each_child))"
    r"\(\s{0,4}[rbf]?['\"]([/~][^'\"\n]{0,300})['\"]"
)
_NAMES = re.compile(
    r"(?:^|[\n;(]|\b(?:const|let|var|my) )\s{0,20}\$?([A-Za-z_]\w{0,40})\s{0,4}:?="
    r"\s{0,4}[rbf]?['\"]([^'\"\n]{1,300})['\"]"
)
_OPENS = re.compile(
    r"\bopen\(\s{0,4}(?:[rbf]?(['\"])([^'\"\n]{1,300})\1|(\w{1,60}))\s{0,4},\s{0,4}(?:mode\s{0,2}=\s{0,2})?['\"](?:[rb]{0,2}[wax]|r\+|>)"
)
_WRITES = re.compile(
    r"(?:\b(?:writeFile|appendFile|createWriteStream|outputFile|truncate|ftruncate)(?:Sync)?|\bFile\.(?:write|open)|\bIO\.write|"
    r"\bfile_put_contents|\bsavefig|\.to_(?:csv|json|parquet|excel|pickle|feather)|\bimwrite|\bnp\.savez?|\bwriteLines)"
    r"\(\s{0,4}(?:[rbf]?['\"]([^'\"\n]{1,300})['\"]|([A-Za-z_]\w{0,60}))"
    r"|\bPath\(\s{0,2}[rbf]?['\"]([^'\"\n]{1,300})['\"]\s{0,2}\)\.(?:write_text|write_bytes|touch|mkdir|chmod|open\(\s{0,2}['\"][wax])"
)
_PLACES = re.compile(
    r"(?:\bshutil\.(?:copy\w{0,6}|move)|\bos\.(?:rename|replace|symlink|link)|\b(?:copyFile|rename|symlink|cp)(?:Sync)?|"
    r"\bFileUtils\.(?:cp|mv|ln_s)(?:_r)?)\(\s{0,4}[^,()\n]{1,200},\s{0,4}[rbf]?['\"]([^'\"\n]{1,300})['\"]"
)
_NETWORK = (
    "requests.",
    "urllib",
    "httpx",
    "http.client",
    "socket",
    "fetch(",
    "axios",
    "Net::HTTP",
    "LWP::",
    "smtplib",
    "ftplib",
    "paramiko",
    "aiohttp",
    "Socket.",
    "fsockopen",
    "curl_exec",
)
_SENDS = (
    "requests.post",
    "requests.put",
    ".post(",
    "smtplib",
    "sendmail",
    "socket.connect",
    ".connect((",
    "method: 'POST'",
    'method: "POST"',
    "method:'POST'",
    'method:"POST"',
    "data=",
    "Net::HTTP.post",
    "fsockopen",
)


def code_effect(effect: Effect, code: str, *, shell_quotes: bool = False, depth: int = 0) -> None:
    """Adds to ``effect`` what ``code`` names; constants that stand in the same text are followed.

    Args:
        effect: of the interpreter.
        code: what it runs.
        depth: how many texts it is inside of.
        shell_quotes: backticks and ``%x(…)`` run commands in it (perl, ruby, php).
    """
    if shell_quotes and ("`" in code or "q(" in code or "%x" in code):
        effect.scripts += [one or other for one, other in _SHELL_QUOTES.findall(code)[:8]]
    names = {match.group(1): match.group(2) for match in _NAMES.finditer(code)} if "=" in code else {}
    _removals(effect, code, names)
    _writes(effect, code, names)
    for match in _RUNS.finditer(code):
        string = _STRING.match(code, match.end())
        rest = code[match.end() : match.end() + 400]
        if string is not None:
            rest = code[string.end() : string.end() + 400].lstrip()
            words = (_listed(rest[1:].lstrip()) or _following(rest)) if rest.startswith(",") else []
            if words:  # spawn("rm", ["-rf", "/"])
                effect.inner.append(SimpleCommand(argv=(string.group(2), *words), via=("code",)))
            else:
                effect.scripts.append(string.group(2))
                if depth < 2 and match.group(0).startswith(("exec(", "eval(")):
                    code_effect(effect, unescaped(string.group(2)), depth=depth + 1)
        elif words := _listed(rest):
            effect.inner.append(SimpleCommand(argv=tuple(words), via=("code",)))
    encoded = _ENCODED.search(code) if depth < 2 else None
    if encoded is not None:
        text = decoded(encoded.group(1))
        effect.reasons.append(ENCODED)
        effect.scripts.append(text)
        code_effect(effect, text, depth=depth + 1)
    if any(word in code for word in _NETWORK):
        sends = any(word in code for word in _SENDS)
        effect.at_least(Impact.EXTERNAL if sends else Impact.NETWORK, "the code talks to the network")
        effect.hosts += URL_HOST.findall(code)
    asks = sql.mentions(code) and _ASKS.search(code) is not None  # a text that only speaks of it changes nothing
    drops = sql.worst(code) if asks else None
    if drops is not None:
        effect.at_least(drops[0] if drops[0] is Impact.DESTRUCTIVE else Impact.EXECUTE, drops[1])


ENCODED = "the code unpacks a text that was encoded"


def _listed(text: str) -> list[str]:
    """The strings of the list that ``text`` begins with."""
    return [found.group(2) for found in _STRING.finditer(text.split("]", 1)[0])] if text.startswith("[") else []


def _following(text: str) -> list[str]:
    """The strings that ``text`` lists after commas."""
    found: list[str] = []
    while text.startswith(",") and len(found) < 32:
        string = _STRING.match(text[1:].lstrip())
        if string is None:
            return found
        found.append(string.group(2))
        text = text[1:].lstrip()[string.end() :].lstrip()
    return found


def _removals(effect: Effect, code: str, names: dict[str, str]) -> None:
    matches = list(_REMOVES.finditer(code))
    if not matches:
        return
    walked = [f"{root.rstrip('/*')}/**" for root in _WALKS.findall(code)]
    elsewhere = walked or [SCRATCH_PLACE if "tempfile" in code or "tmpdir" in code else UNKNOWN]
    whole = any(word in code for word in _TREES)
    for match in matches:
        literal, name, rooted = match.groups()
        path = literal or rooted or (names.get(name, "") if name else "")
        for one in [path] if path else elsewhere:
            effect.removes.append(one)
            effect.writes.append(one)
            if whole or one.endswith("/**"):
                effect.trees.append(one)
                effect.at_least(Impact.DESTRUCTIVE, f"the code removes {shown(one)} with everything below")
            else:
                effect.reasons.append(f"the code removes {shown(one)}")


def _writes(effect: Effect, code: str, names: dict[str, str]) -> None:
    found = [match.group(2) or names.get(match.group(3), "") for match in _OPENS.finditer(code)]
    found += [m.group(1) or m.group(3) or names.get(m.group(2) or "", "") for m in _WRITES.finditer(code)]
    found += _PLACES.findall(code)
    for path in dict.fromkeys(one for one in found if one and "://" not in one):
        effect.writes.append(path)
        effect.reasons.append(f"the code writes {shown(path)}")
