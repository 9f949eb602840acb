"""Words and shapes that only the agent's own doing is called: wrong input, what does not exist, what is not allowed."""

from __future__ import annotations

from watchdogd.core.detect.outage_marks import any_of

_PLAIN = any_of(
    r"(?:type|name|key|index|attribute|syntax|reference|value|indentation|unbound ?local|zero ?division|lookup|import"
    r"|assertion|module ?not ?found|file ?not ?found|is ?a ?directory|not ?a ?directory|file ?exists|unicode\w*"
    r"|json ?decode|overflow|recursion|range|validation|parse|compile|schema|illegal ?argument|null ?pointer"
    r"|class ?cast"
    r"|number ?format|array ?index\w*|no ?such ?\w+) ?(?:error|exception)\b",
    r"assert(?:ion)?\b|expected\b.{1,80}\b(?:but|got|received|actual|found|saw|to (?:be|equal|have))\b|but (?:was"
    r"|got)\b",
    r"want(?:ed|s)?\b.{1,60}\b(?:have|got)\b|not raised\b|fail: test|tests? (?:\w+ )?failed\b|failed tests?\b"
    r"|\d+ failed, \d+ passed",
    r"(?:file|archive|string|input|comment|block|quote|tag)\b.{0,30}\b(?:eof|end of (?:file|input))\b|file exists\b"
    r"|(?:eof|end of (?:file|input))\b.{0,30}\b(?:file|archive|string|input|pars\w+|line|tag|json|quote)\b",
    r"test \w+(?:, test|::| failed)",
    r"(?:accepts?|allows?|supports?|takes?) .{1,40}\bonly\b|(?:may|can) only (?:be|contain)|only .{1,40} (?:are"
    r"|is) (?:allowed"
    r"|accepted|supported|permitted)|(?:of|by|with) (?:that|this) (?:name|id)\b",
    r"must (?:not )?(?:be|have|match|contain|start|specify|provide|lie|end|exist|come|include)\b",
    r"no such (?!host|server|service)\w+|no module named|command not found|(?:does not|doesn[\u2019']t) exist\b",
    r"is not (?:a|an|defined|recogni[sz]ed|supported|callable|iterable)\b|already exists\b|not a (?:git|valid)\b",
    r"(?:permission|access|privileges?) (?:is |was )?denied|forbidden\b|unauthori[sz]ed\b|not authori[sz]ed",
    r"(?:cannot|can ?n[o'\u2019]t|could ?n[o'\u2019]t|unable to) (?:find|locate|import|parse|(?:open|read|load"
    r"|access|stat)"
    r"(?! (?:an? |the )?(?:\w+ )?(?:connection|socket|url|stream|host|server|service|endpoint|port|api)))\b",
    r"(?:cannot|can ?n[o'\u2019]t) (?:assign|convert|cast|compare|use|index|call|iterate|infer|borrow|set|be|delete"
    r"|cancel"
    r"|book|change|edit|redeclare|reply|create|write|remove|move|copy|overwrite|rename|schedule|add|mix|divide)\b",
    r"option\b.{0,40}\bunknown\b|undeclared\b|disk quota\b|undefined\b|is required\b|merge conflict|syntax error",
    r"unknown (?:option|argument|flag|command|param\w*|field|column|key|keyword|attribute|method|function|variable"
    r"|type"
    r"|subcommand|user|tool|property|table|database|id|queue|topic)\b|unrecogni[sz]ed (?:option|argument|command)",
    r"(?:missing|requires?) (?:\d+ )?(?:required |positional |an? )?(?:arg\w*|param\w*|field|option|key|value)",
    r"invalid (?:arg\w*|param\w*|option|value|syntax|literal|json|format|date|id|name|type|choice|input|url|email|key"
    r"|host ?name|port|token|reference|regex\w*)\b",
    r"usage:|(?:http|status|code|error)\W{1,4}(?:40[0134569]|41[0-7]|422)\b|insufficient (?:funds|balance|perm|priv"
    r"|stock)",
    r"compil\w+ (?:failed|error)|exit ?(?:code|status)\W{1,3}124\b|unexpected (?:token|keyword|argument|indent)",
)
_TOPIC = any_of(
    r"authenticat\w+|credentials?\b|passwords?\b|api[ _-]?key\b|log ?in\b|self.signed|certificate",
)
"""What says whose fault an error is, and does not make one of a text."""
_PERHAPS = any_of(
    r"(?:invalid|illegal|malformed|missing|unexpected|unsupported|unknown|duplicate|mismatch|wrong|incorrect|required"
    r"|denied|not (?:be )?found|not (?:allowed|permitted|supported|valid|understood)|conflict|argument|parameter"
    r"|syntax"
    r"|out of (?:range|bounds|stock)|parse|ungültig\w*|fehlende?r?|unbekannte?r?|nicht (?:gefunden|erlaubt|vorhanden)"
    r"|invalide|introuvable|manquante?|interdite?|inconnue?|obligatoire|inválid[oa]|desconocid[oa]|obligatori[oa]"
    r"|no (?:encontrad[oa]|existe|permitid[oa])|não (?:encontrad[oa]|existe|permitid[oa])|desconhecid[oa]"
    r"|obrigatóri[oa]"
    r"|non (?:trovat[oa]|valid[oa]|consentit[oa]|esiste)|sconosciut[oa]|ongeldige?|niet (?:gevonden|toegestaan)"
    r"|onbekende?"
    r"|nieprawidłow\w+|nieznan\w+|nie (?:znaleziono|istnieje)|неверн\w+|неизвестн\w+|не (?:найден\w*|существует)"
    r"|недопустим\w+|geçersiz|bulunamadı|ogiltig\w*|saknas|okänt?|ugyldig|neplatn\w+|érvénytelen"
    r"|please (?:enter|provide|specify|supply|give|select|choose)|bitte (?:geben|wählen)|veuillez (?:saisir|indiquer"
    r"|choisir)"
    r"|keine (?:berechtigung|rechte)|pas (?:le droit|autorisée?)|no tiene permiso|sem permissão|нет прав"
    r"|yetkiniz yok|hatalı"
    r"|(?:trop|zu|demasiado|muito|troppo|te) (?:courte?|longue?|kurz|lang|corto|corta|largo|larga|curto|longo|kort)"
    r"|you (?:are|were) not (?:on|in|part|the|allowed|a member)|(?:belongs to|used by|owned by) (?:another"
    r"|some)\w*)\b",
)
_SCRIPTS = (
    "无效", "無效", "不存在", "未找到", "无权", "错误的",
    "参数错误", "格式错误", "必填", "缺少", "権限", "見つかりません",
    "無効", "不正な", "不正です", "必須", "잘못된", "권한",
    "필수", "अमान्य", "찾을 수 없", "غير صالح", "غير موجود", "לא נמצא",
    "δεν βρέθηκε", "không hợp lệ", "tidak valid",
)  # fmt: skip
_TESTS = ("::test", "✗", "✘")


def plainly_own(spaced: str) -> int:
    """How many plain signs there are that an error is the agent's own; ``spaced`` as for ``marks_of``."""
    return len(_PLAIN.findall(spaced)) + any(one in spaced for one in _TESTS)


def perhaps_own(spaced: str) -> bool:
    """Whether there is a sign that may be one, in a dozen languages."""
    if _PERHAPS.search(spaced):
        return True
    return not spaced.isascii() and any(one in spaced for one in _SCRIPTS)


def about_access(spaced: str) -> bool:
    """Whether it is about who the agent is and what it may do."""
    return _TOPIC.search(spaced) is not None
