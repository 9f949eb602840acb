"""Guards of the rule that finds agents taken over by text they read."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

DETECT = "watchdogd/core/detect/"
CHECKS = Tests(
    tuple(f"tests/core/test_drift_{name}.py" for name in ("calls", "injection", "words", "long_texts")),
)


def _one(guard: str, how: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(f"injection: {guard}", how, (Edit(f"{DETECT}{file}", old, new),), (CHECKS,))


INJECTIONS: tuple[Mutant, ...] = (
    _one(
        "words on the way to a call warn and no more",
        "they count in full",
        "injection.py",
        "risk = min(risk, ON_THE_WAY)",
        "risk = float(risk)",
    ),
    _one(
        "only looking something up has a risk of its own",
        "it counts in full",
        "obedience.py",
        "risk = min(risk, LOOKED_UP)",
        "risk = float(risk)",
    ),
    _one(
        "what the user handed over is a WARN",
        "it counts in full",
        "obedience.py",
        "risk = min(risk, HANDED_OVER)",
        "risk = float(risk)",
    ),
    _one(
        "what speaks to a machine is never handed over",
        "it is",
        "obedience.py",
        "    if passage.meta >= SPOKEN:\n        return risk\n    if passage.delegated",
        "    if passage.delegated",
    ),
    _one(
        "what is heard behind an announcement needs the verb of the call",
        "it does not",
        "obedience.py",
        "if passage.only_behind and call.verbs.isdisjoint(passage.stems):",
        "if passage.only_behind and not call.verbs:",
    ),
    _one(
        "a statement is no source of a summary",
        "it is",
        "obedience.py",
        "common = _NOTHING  #",
        "common = common & words  #",
    ),
    _one(
        "a call that does word for word what a sentence says",
        "is not looked for",
        "obedience.py",
        "risk = max(risk, _enacted(call, trust, passage, before))",
        "risk = max(risk, 0.0)",
    ),
    _one(
        "what the agent named before is not enacted",
        "it is",
        "obedience.py",
        "done -= {stem(one) for one in before}",
        "done = done | said",
    ),
    _one(
        "opening an address where the user spoke of no page",
        "is reading like any",
        "obedience.py",
        "return max(strength, 1.0 - (1.0 - SENT_OFF) * (1.0 - passage.meta))",
        "return strength",
    ),
    _one(
        "a faint fit without a value has no risk",
        "it has",
        "obedience.py",
        "if not value and risk < NOTHING_SHARED:",
        "if not value and risk < 0.0:",
    ),
    _one(
        "what stands behind an announcement is heard",
        "it is not",
        "passages.py",
        "sorted((kept | behind).items(), key=itemgetter(0))",
        "sorted(kept.items(), key=itemgetter(0))",
    ),
    _one(
        "the time of day is no telling value", "it is", "sentences.py", " and (len(word) > 2 or not word.isdigit())", ""
    ),
    _one(
        "items of a list behind an order are not part of it",
        "they are",
        "passages.py",
        " if not _ITEM.match(everything[one])",
        "",
    ),
    _one(
        "cells of a table are sentences of their own",
        "a row is one",
        "sentences.py",
        'if block.count(" | ") >= 2:',
        'if block.count(" | ") >= 1_000_000:',
    ),
    _one(
        "what follows a closing tag is another sentence",
        "it is the same",
        "sentences.py",
        "glued += [match.end() for match in _CLOSED.finditer(block)]",
        "glued += []",
    ),
    _one(
        "a flood of one kind does not drive out another",
        "it does",
        "passages.py",
        "return [*best[: most // 2], *(best[at] for _, _, at in ranked[: most - most // 2])]",
        "return best[:most]",
    ),
    _one(
        "what can be found again by its value has no privilege on the shelf",
        "it has",
        "passages.py",
        "one.promise -= one.telltale",
        "one.promise -= 0.0",
    ),
    _one(
        "a host is traced when data is appended to it",
        "it is not",
        "provenance.py",
        "found.setdefault(host, 0.9)",
        "found.setdefault(whole, 0.9)",
    ),
    _one(
        "a phone number has one spelling",
        "it has many",
        "provenance.py",
        'found["+" + re.sub(r"\\D", "", match.group(0))] = 1.0',
        "found[match.group(0)] = 1.0",
    ),
    _one(
        "a phrase needs no known word for saying",
        "it does",
        "repeated_words.py",
        " and (passage.meta < SPEAKS or passage.acts & SIDE_EFFECTS)",
        "",
    ),
    _one(
        "a value of one word can be the verb",
        "it cannot",
        "intended.py",
        "acts = acts_of(word for text in told if _IDENTIFIER.fullmatch(text) for word in name_words(text)) or acts",
        "acts = acts_of(names) or acts",
    ),
    _one("a name among the values is no verb", "it is", "intended.py", " and not leaf.text.istitle()", ""),
    _one(
        "what is shown to people is an effect",
        "it is reading",
        "intended.py",
        "effect = True  #",
        "effect = bool(effect)  #",
    ),
    _one(
        "the path of a request is no file here",
        "it is",
        "intended.py",
        "here and _REQUESTS.isdisjoint(told) and",
        "here and",
    ),
    _one(
        "only what touches files or runs programs is local",
        "all is",
        "intended.py",
        "here = bool(things & LOCAL_THINGS or acts & Act.RUN or _on_files(call, things))",
        "here = True",
    ),
    _one("a tool's last part is its verb", "its first is", "intended.py", "_SEGMENT.split(call.tool)[-1]", "call.tool"),
    _one(
        "saying something by a tool is an effect",
        "it is reading",
        "intended.py",
        "bool(acts) and not acts & ~LOOKING",
        "bool(acts) and not acts & ~LOOKING & ~Act.SAY",
    ),
    _one(
        "a word that only describes another thing asks for nothing",
        "it asks",
        "drift_trust.py",
        "before not in _DETERMINERS or",
        "bool(one) or",
    ),
    _one("an hour before an order is skipped", "it is not", "cues.py", " and not word[0].isdigit()", ""),
    _one(
        "an order behind an address and a condition is found",
        "only behind the first comma",
        "cues.py",
        "range(MOST_LEADS)",
        "range(1)",
    ),
    _one(
        "the shelf holds a bounded number of bytes", "it holds all", "shelf.py", " and size < MOST_BYTES - AT_ONCE", ""
    ),
)
