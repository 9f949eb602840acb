"""Whether a call failed, and through whose fault: from flags, exit codes and typed statuses first, from text last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from watchdogd.core.detect.error_words import CURT_CHARS, denied, faultless, labelled, logged, read_aloud, reports
from watchdogd.core.detect.keys import text_key
from watchdogd.core.detect.outage_signs import core_of, is_outage, speaks_of_outage
from watchdogd.core.events import Text, ToolFinished

HEAD_CHARS = 400
"""Text is looked at for an error's shape only here and at its very end: what was read may talk about errors."""
SHORT_CHARS = 300
"""Answers up to this length can be an error message and nothing else."""
CURT_WORDS = 8
"""So few words that say no at all are an error message: what is asked for is seldom answered so curtly."""
ENOUGH = 3
"""Points that make a text an error."""


KNOWN_CALLS = 4
"""Answers from which a tool's habit is known."""
MOST_CALLS = 50
"""Answers after which a habit is what it is."""
HABIT_CHARS = 160
"""Of an answer, from its head, that its habit is told by."""
_CURT = re.compile(r"\s*[^\W\d_][^\n{}\[\]<>|=]{2,118}\s*")
_FIELDS = re.compile(r"\s*(?:[{\[<]|- \w+: |\w{1,40}: ?\S*\n\w|[\"'])")
_NOTHING = re.compile(
    r"\s*(?:sorry\W{1,3}|there (?:is|are|was|were) )?(?:no|none|nothing|empty|zero|keine?|nichts|aucune?|rien"
    r"|ning[uú]n[oa]?"
    r"|nada|nenhuma?|nessuna?|niente|geen|niets|brak|нет|ничего|ok|done|yes|true|false|success\w*|null|nil)\b"
    r"|\s*[^\W\d_]+(?:ed|t|en)?[.!]?\s*\Z",
    re.IGNORECASE,
)
"""Says that there is nothing, that all is well, or one word."""


class Fault(StrEnum):
    """Whose fault a call's outcome is."""

    NONE = "none"
    OWN = "own"
    """The agent's: a wrong command, a wrong argument."""
    OUTAGE = "outage"
    """The network's or a service's."""
    DENIED = "denied"
    """The gate refused it."""


@dataclass(slots=True)
class Habit:
    """What a tool's answers usually look like."""

    seen: int = 0
    curt: int = 0
    """Answers that were a curt plain sentence."""
    fields: int = 0
    """Answers that were made of fields: JSON, YAML, a table in brackets."""

    def odd(self, text: str) -> int:
        """Points of a curt sentence where this tool's answers are none; that nothing was found is no surprise."""
        if self.seen < 2 or 10 * self.curt > self.seen or not _CURT.fullmatch(text):
            return 0
        told = self.seen >= KNOWN_CALLS and 10 * self.fields >= 9 * self.seen
        return 1 + (told and not _NOTHING.match(text))

    def take(self, text: str) -> None:
        """One more answer, from its head."""
        if text and self.seen < MOST_CALLS:
            self.seen += 1
            self.curt += _CURT.fullmatch(text) is not None
            self.fields += _FIELDS.match(text) is not None


_OUTAGE_CLASSES = frozenset({"provider", "connection", "overloaded", "rate_limit", "server", "network", "unavailable"})

_WAIT = frozenset({408, 425, 429})
"""Statuses below 500 that say that the same request may work later (RFC 9110, 8470, 6585)."""
_OUTAGE_STATUSES = frozenset(f"http_{one}" for one in _WAIT)

_FIELD = re.compile(
    r"[\"']?\b(?:error|errors|exception|err|fault)[\"']?\s{0,4}[:=]\s{0,4}(?!null|none|false|\[\s*\]|\{\s*\}|\"\"|''"
    r"|0\b)\S"
    r"|<(?:\w{1,12}:)?(?:error|exception|fault)\b[^>/]{0,40}>(?!\s*</)\s*\S"
    r"|[\"'](?:success|ok|succeeded)[\"']\s{0,4}:\s{0,4}false"
    r"|[\"']status(?:_?code)?[\"']\s{0,4}:\s{0,4}(?:[\"'](?:error|fail\w{0,5})|[\"']?[45]\d\d\b)",
    re.IGNORECASE,
)
_EXIT = re.compile(
    r"\b(?:exit(?:ed)?(?: with)?(?: (?:code|status))?(?=\W{0,4}-?\d{1,5}\W*(?:$|\n))|exit[_ ]?(?:code|status)"
    r"|return ?code|status code)"
    r"\W{0,4}(-?\d{1,5})\b",
    re.IGNORECASE,
)
_FIRST_LINE = re.compile(
    r"\W{0,8}(?:[\w.]{1,40}[ :/-]\s?){0,3}(?:err(?:or)?|fatal|panic|exception|fail(?:ed|ure)?|abort(?:ed|ing)?"
    r"|denied|invalid|rejected|refused)\b(?!\W{1,3}\d+\.\d|\W{1,3}0\b|\.\w|/)\W"
    r"|\W{0,8}[\w.]{0,80}(?:Error|Exception|Fault|Failure)\b(?!\.\w)"
    r"|\S{0,120}?[(:]\d{1,6}[,:]\d{1,4}\)?:? (?:fatal )?error\b|\W{0,8}[EF][A-Z]?\d{3,5}\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:[a-zA-Z_]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Fault)(?:: \S|$)"
    r"|(?:\w{1,60}\.){0,6}(?:exc|exceptions?|errors?)\.(?:\w{1,60}\.){0,4}[A-Z]\w{1,60}: \S"
)
"""An exception by its name, and what it says."""
_COUNTS = re.compile(
    r"\W{0,8}(?:(?!fail|err|fatal)\w{1,30}[: ]{1,2}){0,3}\d{1,6} (?:failed|failures?|errors?|passed|warnings?"
    r"|tests?|matches|results?|hits)\b"
    r"|.{0,120}\b\d{1,6} passed\b",
    re.IGNORECASE,
)
"""The first line of a report: how many of what."""
_TRACE = re.compile(
    r"Traceback \(most recent|\n\s{1,8}at [\w.$<>]{1,80}[ (]|panicked at|stack trace"
    r"|\n\S{1,120}:\d{1,6}:\d{1,4}: (?:fatal )?error:",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"[\w./-]{1,60}(?: line \d{1,6})?:\s?(?:[^:\n]{1,160}:\s?){0,3}[^:\n]{3,200}$")
_PREFIX = re.compile(r"[\[(<][^\[\](){}<>\n\"']{1,60}[\])>][\s:]")
"""A stamp or a tag in brackets before the text proper."""
_WELL = re.compile(
    r"[\"'](?:status|result|state)[\"']\s{0,4}:\s{0,4}[\"'](?:ok|success\w*|done|healthy|up)[\"']", re.IGNORECASE
)
"""Says itself that all is well."""
_EXPLAINS = re.compile(r"[\"'](?:message|msg|details?|reason|cause)[\"']\s{0,4}:", re.IGNORECASE)


def fault_of(done: ToolFinished, habit: Habit) -> Fault:
    """Whose fault the outcome of ``done`` is; ``habit`` is its tool's."""
    if done.outcome == "denied":
        return Fault.DENIED
    if done.outcome in ("aborted", "in_doubt"):
        return Fault.NONE
    if done.error_class in _OUTAGE_CLASSES or (
        done.status is not None and (done.status >= 500 or done.status in _WAIT)
    ):
        return Fault.OUTAGE
    if done.error_class.startswith("http_5") or done.error_class in _OUTAGE_STATUSES:
        return Fault.OUTAGE
    code = done.exit_code
    if done.outcome == "unknown" and code is None and done.status is not None and done.status >= 400:
        return Fault.OWN
    if done.outcome == "error" and (code is None or code not in (0, 1)):
        return Fault.OUTAGE if is_outage(done.result) else Fault.OWN
    if code is not None and code not in (0, 1):
        return Fault.OUTAGE if is_outage(done.result) else Fault.OWN
    if code == 0 or (code is None and done.outcome != "unknown"):
        return Fault.NONE
    if not says_error(done.result, habit, code):
        return Fault.NONE
    return Fault.OUTAGE if is_outage(done.result) else Fault.OWN


def says_error(text: Text, habit: Habit, code: int | None = None) -> bool:
    """Whether ``text`` is an error message by its shape; the word "error" in what was read is none.

    Exit code 1 alone is no error: a search that found nothing, a comparison, a test that fails end so. It adds weight.
    """
    head = text.head[:HEAD_CHARS].lstrip()
    if not head:
        return False
    short = max(text.length, len(text.head)) <= SHORT_CHARS
    if code is None and (said := _said_code(text, head, short=short)):
        code = int(said[1])
        if code != 1:
            return code != 0
        if said.string == head:
            head = (head[: said.start()] + head[said.end() :]).strip(" \n[](){}<>:,")
        if not head:
            return False
    if head[0] in "{[(<" and not _PREFIX.match(head):
        return _structured(head, short=short)
    line = head.partition("\n")[0][:200]
    if _COUNTS.match(line) or read_aloud(line) or (code is None and logged(head)):
        return _TRACE.search(head) is not None  # "3 failed, 9 passed" is a report
    points = int(short) + (habit.odd(head) if short else 0) + (code == 1) + _shaped(head, line)
    if short and points < ENOUGH:
        negative, strong = denied(head, quotes=False)
        points += negative + (strong and len(head) <= CURT_CHARS)
        points += negative and not strong and len(head.split(None, CURT_WORDS + 1)) <= CURT_WORDS
        if points < ENOUGH:
            outage = 2 * (speaks_of_outage(head) and not reports(head))
            points += max(negative and _PROGRAM.match(line) is not None, outage - negative)
    return points >= ENOUGH


def _said_code(text: Text, head: str, *, short: bool) -> re.Match[str] | None:
    """Where the text itself names an exit code: in its head, or at the very end of a long one."""
    return _EXIT.search(head) or (None if short else _EXIT.search((text.tail or text.head)[-200:]))


def _shaped(head: str, line: str) -> int:
    """Points of the shape of the first line and of a stack trace."""
    if _NAMED.match(line) or labelled(line):
        first = 3
    else:
        first = 2 if _FIRST_LINE.match(line) and _FIRST_LINE.match(faultless(line).lstrip()) else 0
    return first + (2 if _TRACE.search(head) else 0)


def _structured(head: str, *, short: bool) -> bool:
    """Whether a JSON-like answer says error: in a field of that name, or in the words of a short explanation."""
    if _FIELD.search(head):
        return True
    if _WELL.search(head):
        return False
    return short and _EXPLAINS.search(head) is not None and (denied(head)[0] or speaks_of_outage(head))


SIGNED_WORDS = 14
"""Words that make a signature."""

_QUOTED = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`")
_WORD = re.compile(r"[^\W\d_]{2,}")
_LOCATION = re.compile(r"[\w.-]*[/\\][^\s:]*|\w*\d\w*")


def signature(text: Text, words: Sequence[str]) -> int:
    """A number for an error: its words without quoted parts, paths, numbers and the call's own ``words``."""
    core = core_of(text)
    for word in words:
        if 3 <= len(word) <= 200:
            core = core.replace(word, " ")
    found = _WORD.findall(_LOCATION.sub(" ", _QUOTED.sub(" ", core)))
    return text_key(" ".join(found[:SIGNED_WORDS]).lower() or core[:80])
