"""What a call checks (tests, build, lint, deployment, migration), and whether its record says that it went well.

Told by the words of the command and the shape of the outcome: exit code, counted summary, outcome; not by a runner.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from watchdogd.core.detect.safety_calls import commands, leaves, words_of
from watchdogd.core.events import ToolFinished, ToolIntended
from watchdogd.core.shell.effects import READERS
from watchdogd.core.shell.options import named


class Check:
    """Kinds of checks as bits of an int."""

    NONE: Final = 0
    TESTS: Final = 1
    BUILD: Final = 2
    LINT: Final = 4
    DEPLOY: Final = 8
    MIGRATE: Final = 16
    RUN: Final = 32
    """A command that may turn out to have run tests: its summary counts them."""


NAMES: dict[int, str] = {
    Check.TESTS: "test run",
    Check.BUILD: "build",
    Check.LINT: "lint or type check",
    Check.DEPLOY: "deployment",
    Check.MIGRATE: "migration",
}

_KINDS: tuple[tuple[int, re.Pattern[str]], ...] = (
    (
        Check.TESTS,
        re.compile(
            r"tests?(?=$|[-_.:/ 0-9])|(?:^|[-_.:/])(?:\w{0,12}test|t)s?$|spec(?:s|$)|jest|mocha|phpunit|tox$|"
            r"nox$|karma|behave|cypress|"
            r"playwright|prove$|busted|unittest|checks?(?=$|[-_.:/ ])|verify|e2e|ginkgo|coverage|surefire|nextest"
        ),
    ),
    (
        Check.BUILD,
        re.compile(
            r"build|compil|(?:^|[/_-])(?:make|cmake|ninja|javac|gcc|g\+\+|clang|rustc|webpack|rollup|msbuild|"
            r"mvn|tsc|package)$"
        ),
    ),
    (
        Check.LINT,
        re.compile(
            r"lint|typecheck|type-check|(?:^|[/_-])(?:ruff|flake8|mypy|pyright|tsc|clippy|vet|shellcheck|"
            r"rubocop|phpstan|psalm|"
            r"stylelint|biome|black|prettier|ktlint|checkstyle|detekt|credo|dialyzer)$"
        ),
    ),
    (Check.DEPLOY, re.compile(r"deploy|rollout|release|publish|upgrade$|^apply$|promote")),
    (Check.MIGRATE, re.compile(r"migrat|alembic|flyway|liquibase|goose$|dbmate")),
)
_ASIDE = re.compile(r"&&|\|\||[;|\n]")
_NO_CHECK = READERS | named(
    """
    git pip pip3 apt apt-get brew cp mv rm mkdir touch find chmod sed cd curl wget ssh scp rsync tar unzip conda gem
    """
)
"""Programs that check nothing, whatever their words say."""
_INSTALLS = named("install add i ci sync lock remove uninstall init help --help --version")
_RUNNERS = named("sudo env time timeout nice nohup xvfb-run npx pnpx bunx uvx exec command")

_TELLING = named("message summary text answer result comment body description status response conclusion")

_COUNTED = re.compile(
    r"(?<![\w./-])[1-9]\d{0,5} (?:\w{1,12} )?(?:fail(?:ed|ing|ures?)?|errors?|fehlgeschlagen|échecs?|échoués?|"
    r"fallid\w\w|falh\w{1,6})\b|"
    r"\b(?:fail(?:ed|ures?|ing)?|errors?|failing tests)\s{0,2}[=:]\s{0,8}[1-9]|\b\d{1,5} of \d{1,5} (?:tests?|"
    r"checks?) failed|(?:失败|失敗)[:： ]{0,2}[1-9]",
    re.IGNORECASE,
)
"""A summary that counts failures."""
_TESTS_COUNTED = re.compile(
    r"\b\d{1,6} (?:tests?|examples?|specs?|assertions?|passed|passing|failing|successes)\b|"
    r"\bTests(?: run)?:\s{0,8}\d|"
    r"^(?:not )?ok \d+\b|\bRan \d{1,6} tests?\b",
    re.MULTILINE,
)
_BROKEN = re.compile(
    r"\bFAILED\b|^FAIL\b|\bTESTS? FAILED\b|\bAssertionError\b|\bBUILD FAIL|\bmake(?:\[\d+\])?: \*\*\*|"
    r"^not ok \d|\bResult: FAIL|"
    r"^error(?:\[\w{1,9}\])?: |\berror TS\d|\bnpm ERR!|\bcould not compile\b",
    re.MULTILINE,
)
_FINE = re.compile(
    r"\b[1-9]\d{0,6} (?:tests? )?(?:passed|passing|ok)\b|\ball (?:tests|checks) passed\b|^OK\b|\btest result: ok|"
    r"\b0 fail(?:ed|ures|ing)\b|^PASS\b|\bBUILD SUCCESS",
    re.MULTILINE | re.IGNORECASE,
)


def checked(call: ToolIntended) -> int:
    """The kinds of checks that ``call`` carries out, by the words of its commands, or of a tool that has none."""
    texts = commands(call)
    kinds = Check.NONE
    for text in texts:
        for part in _ASIDE.split(text[:4_000])[:24]:
            kinds |= _of_command(part.split()[:24])
    if not texts:
        words = words_of(call.tool)
        if words & {"run", "execute", "start", "check", "test", "build", "deploy", "migrate", "lint"} and not words & {
            "get",
            "list",
            "read",
        }:
            kinds |= _kinds([word for word in words if word not in ("run", "execute", "start")])
    return kinds


def told(call: ToolIntended) -> str:
    """What ``call`` tells people: its texts named as such (a message, a summary); files and commands are no telling."""
    if commands(call):
        return ""
    texts = (value for name, value in leaves(call.args) if isinstance(value, str) and words_of(name) & _TELLING)
    return "\n".join(text[-4_000:] for text in texts)


def _of_command(words: list[str]) -> int:
    words = [word.strip("'\"") for word in words]
    while words and ("=" in words[0] or words[0] in _RUNNERS or (words[0].startswith("-") and len(words) > 1)):
        words.pop(0)
    if not words:
        return Check.NONE
    program = words[0].rsplit("/", 1)[-1]
    verbs = [word for word in words[1:4] if not word.startswith("-")]
    if program in _NO_CHECK or _INSTALLS & set(words[1:3]):
        return Check.NONE
    if program.startswith(("python", "node", "ruby", "perl")) and "-m" in words[1:3]:
        verbs = words[words.index("-m") + 1 : words.index("-m") + 2]
    elif words[1:2] == ["-m"]:
        verbs = words[2:3]
    own = words[0].removeprefix("./").rsplit("/", 1)[-1]
    return _kinds([own, *(verb for verb in verbs if "/" not in verb or verb.startswith("./"))]) | Check.RUN


def _kinds(words: list[str]) -> int:
    found = Check.NONE
    for word in words:
        found |= _kinds_of(word[:80])
    return found


@lru_cache(maxsize=1_024)
def _kinds_of(word: str) -> int:
    low, found = word.lower(), Check.NONE
    for kind, pattern in _KINDS:
        if pattern.search(low):
            found |= kind
    return found


def went_well(kinds: int, body: ToolFinished) -> tuple[int, bool | None]:
    """The checks that ``body`` ends, and whether they went well; None when nothing of it tells."""
    text = (body.result.tail or body.result.head)[-3_000:].replace("\\n", "\n")  # of an output quoted as JSON
    if kinds & Check.RUN and not kinds & Check.TESTS and _TESTS_COUNTED.search(text) and _COUNTED.search(text):
        kinds |= Check.TESTS
    return kinds & ~Check.RUN, _verdict(body, text)


def _verdict(body: ToolFinished, text: str) -> bool | None:
    if body.exit_code is not None:  # of "pytest | tail" it is the tail's
        end = text[-400:]
        counted = (
            _COUNTED.search(end) is not None or re.search(r"^make(?:\[\d+\])?: \*\*\*", end, re.MULTILINE) is not None
        )
        return body.exit_code == 0 and not counted
    failed = (_BROKEN.search(text) is not None or _COUNTED.search(text) is not None) and not re.search(
        r"\b0 failed\b", text
    )
    if failed or body.outcome == "error":
        return False
    return True if _FINE.search(text) or body.outcome == "ok" else None
