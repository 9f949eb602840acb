"""Whether a short text denies something, as error messages do, or only reports, lists or explains."""

from __future__ import annotations

import re

from watchdogd.core.detect.outage_signs import own_points

CURT_CHARS = 140
"""Answers up to this length that say what cannot be are errors without further signs."""
PLAIN = 4
"""Points of a plain sign that an error is the agent's own."""

_NEGATIVE = re.compile(
    r"\b(?:not (?:on|in|part|found|exist|allowed|permitted|supported|a |an |valid|recogni[sz]ed|defined|available"
    r"|enough|be "
    r"|have|authori[sz]ed|possible|free|known|empty)"
    r"|no such|no (?:permission|access|route|module|longer|account|user|entry|member)|n't\b|cannot|can ?not|could not"
    r"|unable|does ?n.t|did ?n.t"
    r"|invalid|illegal|malformed|(?<!to )(?<!by )(?<!from )unknown|unexpected|undefined|unrecogni[sz]ed|unsupported"
    r"|unresolved|missing|denied|declined|refused|rejected|forbidden|unauthori[sz]ed|fail(?:s|ed|ure)?"
    r"|errors?(?!\W{1,3}\d+\.\d)|mismatch|stale|overlaps?"
    r"|out of (?:range|memory|bounds)|(?:is|are|ran|run) out of|expected .{1,60} (?:but|got)|must|requires?d?"
    r"|already exists|too (?:many|few|long|large|short|small|big|late|early|old|low|high)"
    r"|exceed(?:s|ed)|expired|conflict|abort(?:ed)?|crash(?:ed)?|null pointer|segmentation|overflow|wrong|bad"
    r"|already (?:taken|used|in use|done|booked|running|redeemed|closed|gone)|(?:do|does) not)\b|[,;:] expected\b",
)
_NEGATED = re.compile(
    r"\b(?:un(?:terminated|closed|matched|balanced|handled|caught|satisfied|met)|un[a-z]{4,14}[ai]ble"
    r"|(?:in|im|ir)[a-z]{4,14}[ai]ble|insufficient|incorrect|incomplete|improper|inconsistent|mis(?:spelled|matched"
    r"|placed)|wrongly)\b"
)
"""Words that deny by their first syllable; only looked for in curt answers."""
_STRONG = re.compile(
    r"\b(?:no such|not (?:be )?found|not (?:a|an|allowed|permitted|supported|defined|exist|authori[sz]ed|possible)\b"
    r"|no (?:rule|permission|access|module|matches found|longer)"
    r"|could(?: not|n't)|cannot|can ?not|can't|unable to|undefined"
    r"|invalid|illegal|malformed|denied|declined|forbidden|unauthori[sz]ed|must (?:be|have|not)|(?:is|are) required"
    r"|unrecogni[sz]ed|(?:do|does) ?n[o'’]t (?:exist|have|match)|unexpected|unknown \w+:"
    r"|missing (?:required|argument|parameter))",
)
_FOREIGN = re.compile(
    r"\b(?:kein zugriff|bereits (?:belegt|vergeben|vorhanden|verwendet)|konnte(?:n)? nicht|kann nicht"
    r"|lässt sich nicht|darf nicht|verweigert|abgelehnt|existiert nicht"
    r"|falsche?[sr]?"
    r"|impossible de|n['’]existe pas|ne peut pas|refusée?|non valides?|déjà (?:pris|utilisé|existant)e?"
    r"|incorrecte?s?|erronée?s?|dépassée?"
    r"|no se (?:pudo|puede|ha podido)|denegad[oa]|incorrect[oa]s?|no existe|no (?:es )?válid[oa]|no se encontr\w+"
    r"|ya existe|rechazad[oa]"
    r"|não (?:foi possível|é possível|pode|existe|permitid[oa])|negad[oa]|incorret[oa]s?"
    r"|non (?:è stato possibile|è possibile|esiste|consentit[oa])|negat[oa]|errat[oa]"
    r"|kan niet|geweigerd|bestaat niet|onjuiste?|nie (?:można|udało się|istnieje)|odmow[ay]|brak (?:dostępu"
    r"|uprawnień)"
    r"|не (?:удалось|удаётся|существует|найден\w*|хватает)|недостаточно|невозможно|нельзя|запрещ[её]н\w*|отказано"
    r"|reddedildi|engellendi|bulunamadı|yanlış|finns inte|nekad|kunde inte|går inte|ei (?:löydy|voi)|virheelli\w+"
    r"|findes ikke|kunne ikke|finnes ikke|neexistuje|nenalezen\w*|nelze|odepřen|nem (?:található|sikerült)"
    r"|érvénytelen)\b"
)
"""Could not, does not exist, refused: in other languages."""
_SCRIPTS = (
    "错误", "錯誤", "不正确", "không tìm thấy", "不足", "拒绝", "拒絕", "无法",
    "不能", "失败", "失敗", "できません", "足りません", "ありません", "拒否", "없습니다",
    "실패", "거부", "مرفوض", "विफल",
)  # fmt: skip
_LABEL = re.compile(
    r"\W{0,4}(?:fehler|erreur|error|errore|erro|fout|błąd|ошибка|помилка|hata|fel|virhe|fejl|feil|chyba|hiba|lỗi"
    r"|kesalahan"
    r"|σφάλμα|エラー|错误|錯誤|오류|خطأ)\s?[:：!]\s?\S",
    re.IGNORECASE,
)
"""The word for an error, and what it was."""
_HINTS = tuple(
    """not |n't|no |cannot|invalid|illegal|unknown|unexpect|undefined|missing|unable|unsupport|unresolv|unrecogn
    |denied|declin|refuse|reject|forbid|unauth|fail|error|mismatch|out of|expected|must|require|exists|too |exceed
    |expire|conflict|abort|crash|null po|segment|overflow|wrong|bad|already|stale|overlap""".replace(
        "\n    ", ""
    ).split("|")
)
"""One of these stands in every text that _NEGATIVE matches; to look for them is fifty times cheaper."""
_NO_FAULT = re.compile(
    r"\b(?:no|0|zero|without(?: any)?) (?:\w+ )?(?:error|fail|problem|issue|conflict|mismatch)\w*"
    r"|\b(?:rejected|invalid|failed|failures?|errors?|denied|refused|missing|conflicts?|problems?)\s?[:=]\s?"
    r"(?:0\b|(?:none|no|never|null|nil|n/a|low|-)\s*(?:$|[.,;\n]))"
    r"|\b(?:last|previous|earlier|former) (?:error|failure|crash)\b.{0,60}?\bago\b"
    r"|\b(?:error|failure) (?:rate|log|logs|handling|report|reports|margin|budget|count|messages|pages)\b(?! (?:is"
    r"|was) )"
    r"|[\w.-]*/[\w./-]+|\b[\w-]+\.[a-z]{1,4}\b",
)
"""What only sounds like one: none counted, none of late, a matter that is named after it, the name of a file."""
_QUOTED = re.compile(r"(?<!\w)'[^'\n]{1,80}'(?!\w)|\"[^\"\n]{1,80}\"|«[^»\n]{1,80}»|`[^`\n]{1,80}`|“[^”\n]{1,80}”")
_DID = re.compile(
    r"\W{0,3}(?!un|mis|mal|dis|fail|den|reject|refus|abort|expect|requir|exceed|expir|declin|block|terminat|crash"
    r"|corrupt"
    r"|restrict|interrupt|tim|need|prohibit|duplicat|bann|limit|stopp|invalid|access|bad|lock|suspend|overload"
    r"|connect"
    r"|used|based|nested|clos|attempt|encounter|receiv|caught|return|detect|occur|raised|threw|exit|unus|need|trunc"
    r"|skip|detach|nam|unnam|lost|brok|shar|relat|nest|speci|typed|quot|formatt|index|unexp)(?:[a-z]{2,14}ed|sent"
    r"|wrote|done|made|ran|found|built|ok)\b(?! (?:to|by|out|but|with error|unexpected))",
    re.IGNORECASE,
)
"""Begins with what was done: a report of success."""
_DONE = re.compile(
    r"\b(?:was|were|been) (?!un|mis|mal|fail|den|reject|refus|abort|declin|block|terminat|chang|lock|expect|specif"
    r"|suppl"
    r"|provid|suspend|cancel|not\b)[a-z]{2,14}ed\b"
)
_CODE = re.compile(
    r"(?:[\w./-]{1,80}:\d{1,6}:(?!\d))?\s*(?:[-+]\s+)?(?:"
    r"(?:async )?(?:def|class|func|fn|function|struct|interface|enum|trait|impl|export|import|from|package|public"
    r"|private"
    r"|protected|static|const|let|var|val|type|try|catch|throw|raise|return|except|if|for|while|with|switch|match"
    r"|else)"
    r"\b.{0,120}[{(:;}\])]\s*$"
    r"|(?:select|insert|update|delete|create|alter)\b.{1,120}\b(?:from|into|set|table|where)\b.{0,80};\s*$"
    r"|(?:return|assert|yield|await|raise)\s[\w.()\[\] ]{1,60}(?:#.{0,80})?$|-\s\w{1,40}: "
    r"|[\w.]{1,40} = \S{1,40}\s*$|merge (?:pull request|branch|remote)\b"
    r"|[#@](?:define|include|ifdef|import|pragma)\b|diff --git|index [0-9a-f]{6,}|@@ -|(?:commit|\*) [0-9a-f]{6,40}\b"
    r"|//|/\*|--- a/)",
    re.IGNORECASE,
)
"""A line of a program, of a difference, of a history of changes: something that was read."""
_READ = re.compile(
    r"\W{0,4}(?:subject|from|to|re|review|q|a|title|to do|(?:\w+ )?(?:notes?|article|summary|minutes|agenda|story"
    r"|news"
    r"|policy)):\s|\W{0,4}#{1,6} \w|.{0,120}\b(?:means? that|what to do"
    r"|how to|an? (?:short )?introduction|chapter \d|page \d)\b",
    re.IGNORECASE,
)
"""A heading, a letter's head, a question, an explanation: something that was written for people."""


_LOGGED = re.compile(r"\W?(?:\w{3} +\d{1,2} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d|[\w./-]{1,60}:\d{1,6}:)")
"""A line of a log, or found in a file."""
_SUCCEEDED = re.compile(
    r"(?<!not )(?<!not be )(?<!n't )(?<!n't be )\b(?:created|sent|added|assigned|saved|updated|booked|scheduled"
    r"|approved"
    r"|completed|restored|finished|resolved|passed|set up|is reached|installed|uploaded)\b|\.\.\. ok\b"
)
_TOLD_OF = re.compile(
    r"\b(?:when (?:it|they|you|the)|if (?:it|they|you|the)|whenever|in case|last (?:week|month|night|year)|yesterday"
    r"|since"
    r"|will be|would be|might|used to|risk of|reported that|policy)\b|\b(?:dropped|failed|failures?|lost|timeouts?"
    r"|errors?"
    r"|retries)\s?[:=]?\s?0\b"
)
"""Something wrong that is told of, expected or counted, and not happening now."""
_ALL_WELL = re.compile(
    r"没有(?:错误|问题)|无错误|(?:エラー|問題)は?ありません|오류가 없|ошибок (?:нет|не)|нет ошибок"
    r"|keine (?:fehler|probleme)"
    r"|sin errores"
    r"|aucune? (?:erreur|problème)|nessun errore|sem erros|geen (?:fouten|problemen)|brak błędów|inga fel"
    r"|ohne (?:fehler|probleme)"
)
"""No errors, in other languages."""


def reports(head: str) -> bool:
    """Whether ``head`` tells of something done, or of trouble of others, of before, of what would be if."""
    low = head.lower()
    return any(one.search(low) is not None for one in (_SUCCEEDED, _TOLD_OF, _ALL_WELL))


def logged(head: str) -> bool:
    """Whether at least two of its lines come from a log, or were found in files."""
    lines = head.split("\n", 8)
    return len(lines) > 1 and sum(_LOGGED.match(line) is not None for line in lines) > 1


def read_aloud(line: str) -> bool:
    """Whether the first ``line`` of a text is one of a program, a letter or a page, or says what was done."""
    return any(one.match(line) is not None for one in (_CODE, _READ, _DID))


def labelled(line: str) -> bool:
    """Whether ``line`` says, in whatever language, that an error follows."""
    return _LABEL.match(line) is not None


def faultless(text: str) -> str:
    """``text`` in small letters without what only sounds like an error."""
    return _NO_FAULT.sub(" ", text.lower())


def denied(head: str, *, quotes: bool = True) -> tuple[bool, bool]:
    """Whether ``head`` says no at all, and whether it says what cannot be; what it quotes counts if ``quotes``."""
    low = head.lower()
    if len(low) > CURT_CHARS:
        if not any(hint in low for hint in _HINTS):
            return False, False
        low = faultless(low)
        strong = _STRONG.search(low) is not None
        return strong or _NEGATIVE.search(low) is not None, strong
    if any(hint in low for hint in _HINTS):
        low = faultless(low)
        bare = low if quotes else _QUOTED.sub(" ", low)
        low = bare if len(bare.split()) > 1 else low
    if _ALL_WELL.search(low) or low.strip(" .!") == "unknown":
        return False, False
    if _FOREIGN.search(low) or (not low.isascii() and any(one in low for one in _SCRIPTS)):
        return True, True
    own, strong = own_points(low), _STRONG.search(low) is not None
    if not strong and own < PLAIN and (_DONE.search(low) or _SUCCEEDED.search(low)):
        return False, False
    return strong or own > 0 or _NEGATIVE.search(low) is not None or _NEGATED.search(low) is not None, (
        strong or own >= PLAIN
    )
