"""How people and models say that a check went well; conditions, plans, quotes and parts are no claims."""

from __future__ import annotations

import re

from watchdogd.core.detect.safety_checks import Check

_THINGS: tuple[tuple[int, str], ...] = (
    (
        Check.TESTS,
        r"tests|test suite|testsuite|test cases|suites?|specs|checks|every (?:\w{1,12} )?test|"
        r"every (?:\w{1,12} )?check|every spec|everything|\ball green\b|"
        r"pytest|jest|rspec|testfälle|pruebas|testes|i test|testy|тест\w{0,4}|测试|測試|テスト|테스트|testler\w{0,4}|"
        r"testen|testerna",
    ),
    (
        Check.BUILD,
        r"build|builds|compiles|compilation|project compiles|code compiles|kompili\w{1,5}|übersetz\w{1,5}|"
        r"compila\w{0,6}|construcción|"
        r"сборк\w{1,3}|构建|構建|编译|ビルド|コンパイル|빌드|derleme",
    ),
    (
        Check.LINT,
        r"lint\w{0,4}|eslint|ruff|flake8|mypy|pyright|clippy|rubocop|type[- ]?check\w{0,4}|types check|"
        r"types are fine|"
        r"static analysis|linter\w{0,2}|"
        r"typprüfung|линт\w{0,4}|型チェック|类型检查|リント",
    ),
    (
        Check.DEPLOY,
        r"deploy\w{0,6}|release|rollout|rolled out|bereitstellung|ausgerollt|déploie\w{1,4}|despliegue|"
        r"desplegad\w|implantação|"
        r"депло\w{1,5}|развёр\w{1,6}|развер\w{1,6}|部署|デプロイ|배포|dağıtım",
    ),
    (
        Check.MIGRATE,
        r"migrations?|migrated|migrationen|migraciones|migración|migrações|migração|migrazion\w|migracj\w{1,2}|"
        r"миграци\w{1,3}|迁移|遷移|"
        r"マイグレーション|마이그레이션",
    ),
)
_WELL = (
    r"pass(?:es|ed|ing)?\b(?!\s(?:the|an?|this|that|their|its|arguments?|data|values?|along|on|it|them|to|in)\b)|"
    r"green|succeed(?:s|ed|ing)?|successful(?:ly)?|\bok\b|(?:is|are|was|were|comes|came|runs?|ran|now|all|back|"
    r"compiles?) (?:\w{1,12} )?clean(?:ly)?\b|clean now|cleanly|went (?:through|well|fine)|"
    r"complete[sd]?|(?:been|were|was|all) (?:\w{1,12} )?applied|is live|now live|works(?! (?:like|by|as|with|on|"
    r"in|for|when|well with)\b)|compiles|deployed|without (?:any )?(?:errors?|failures?|"
    r"problems?|issues?|warnings?)|"
    r"(?:no|zero|0) (?:\w{1,12} )?(?:failures?|errors?|warnings?|issues?|failed|failing|problems?)\b|"
    r"no (?:\w{1,12} )?(?:failing|failed|broken) (?:tests?|specs?|checks?)|"
    r"bestehen|bestanden|grün|erfolgreich|fehlerfrei|fehlerlos|laufen (?:\w{1,12} ){0,2}durch|"
    r"läuft (?:\w{1,12} ){0,2}durch|"
    r"passent|passe\b|passés?|réussi\w{0,3}|réussissent|au vert|verts?\b|succès|"
    r"pasan|pasaron|pasado|pasando|exitos\w{1,6}|en verde|éxito|sin errores|"
    r"passam|passaram|passando|verdes?\b|sucesso|sem erros|passano|passat[oi]|superat[oiae]|riuscit\w|"
    r"senza errori|successo|"
    r"slagen|geslaagd|groen|succesvol|przechodzą|przeszły|zielone|pomyślnie|проход[яи]т|прош[лё]\w{1,2}|"
    r"пройден\w{0,2}|зел[её]н\w{1,3}|"
    r"успешн\w{1,2}|geçti|geçiyor|başarı\w{1,6}|grönt?|godkända?|"
    r"通过|通過|成功|全绿|无错误|通[っりる]|パス|合格|グリーン|エラーなし|통과|성공"
)
_NO_CLAIM = re.compile(
    r"\b(?:not|n't|never|rest of|remaining|the others?|i added|we added|new tests?|none|neither|nor|if|once|"
    r"until|whether|should|would|will|to make|make|makes|making|"
    r"so that|ensure|verify that|"
    r"verify whether|check whether|check that|check if|let me|let's|see whether|see if|need|needs|want|wants|"
    r"before|when|expect\w{0,3}|asked|asks|request\w{0,2}|requir\w{1,3}|wants|hopes|"
    r"hope|may|might|could|can|does|do|did|fails?|failed|failing|fail|except|unless|some|most|only|few|plan|"
    r"goal|must|has to|have to|"
    r"to pass|to succeed|yet|still|but|previously|earlier|initially|originally|used to|were passing|claims?|"
    r"claimed|according|i'll|"
    r"we'll|going to|next|almost|nearly|half|partially|arguments?|cannot|can't|unable|remain\w{0,3}|"
    r"nicht|keine?\w{0,2}|noch|falls|wenn|sobald|sollte\w{0,2}|werde\w{0,2}|wird|muss|müssen|bevor|außer|nur|"
    r"damit|einige|"
    r"ne|n'|pas|faut|si|lorsque|quand|devrai\w{0,4}|doi\w{1,4}|avant|sauf|seuls?|certains|encore|va|vais|"
    r"cuando|deber\w{1,5}|deben?|voy|vamos|aún|todavía|excepto|salvo|solo|algunas?|antes|"
    r"não|quando|dever\w{1,4}|devem?|vou|ainda|exceto|alguns|non|dovrebbe\w{0,3}|devono|ancora|tranne|alcuni|"
    r"niet|geen|als|wanneer|moet\w{0,2}|zal|zou|nog|не|если|когда|должн\w{1,2}|пока|кроме|будут|ещё|еще|"
    r"nie|jeśli|gdy|powinn\w|jeszcze|değil|eğer|henüz|inte|om)\b|n't\b|"
    r"未|没|沒|不|如果|应该|應該|之后|才|除了|让|確認|尚|还|ない|ません|なら|れば|たら|はず|予定|まで|以外|必要|まだ|"
    r"않|못|으면|면 |해야|예정|까지|제외|아직",
    re.IGNORECASE,
)
_NOTHING_WRONG = re.compile(
    r"\b(?:no|zero|0|without(?: any)?|not a single)\s(?:\w{1,12} ){0,2}?(?:failures?|errors?|warnings?|issues?|"
    r"failed|failing(?: tests?)?|problems?)"
    r"(?:\s(?:tests?|specs?|checks?))?(?:\s(?:remain|are left|is left|left))?|"
    r"\bohne fehler|\bsans erreurs?|\bsin (?:errores|fallos)|\bsem (?:erros|falhas)|\bsenza errori|\bbez błędów|"
    r"\bбез ошибок",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”|«[^»\n]{0,300}»|„[^“”\n]{0,300}[“”]|`[^`\n]{0,300}`|「[^」\n]{0,300}」|"
    r"(?m:^\s{0,4}>.{0,500}$)"
)
_SENTENCE = re.compile(r"[^.!?\n。！？]{1,400}(?:\.(?=\w)[^.!?\n。！？]{1,200}){0,4}[.!?。！？]?")
_PART = re.compile(r"\b(\d{1,6})\s{0,2}(?:of|out of|von|sur|de|di|van|из|/)\s{0,2}(?:the )?(\d{1,6})\b")
_SOME = re.compile(
    r"\b(?:tests|specs|checks|suite)\s(?:in|for|of|from|under|on)\s(?!my\b|the (?:suite|project|"
    r"repo))\S",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:that|which|whose|where|for|asked)\b", re.IGNORECASE)
_CODE = re.compile(r"`([^`\n]{1,60})`(?=\s(?:now\s|all\s|also\s)?(?:pass|succeed|is (?:green|clean)))")
"""A command in backticks of which something is said."""
_NEAR = 70
"""Characters between the thing and what is said of it."""
_SIGNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that write without spaces, or glue endings to words."""


_OTHER = r"(?!\s(?:notes?|scripts?|plans?|files?|docs?|config\w{0,10}|director\w{1,3}|fixtures?|data|names?|code)\b)"
"""What only bears the thing's name: "release notes", "test data"."""


def _pattern(things: str) -> re.Pattern[str]:
    apart = "|".join(one for one in things.split("|") if not _SIGNS.search(one))
    glued = "|".join(one for one in things.split("|") if _SIGNS.search(one))
    thing = rf"(?:(?<!\w)(?:{apart})(?!\w){_OTHER}" + (f"|{glued})" if glued else ")")
    return re.compile(
        rf"{thing}(?P<gap>[^,;:()]{{0,{_NEAR}}}?)(?:{_WELL})|"
        rf"{thing}\s{{0,2}}[:：-]\s{{0,2}}(?:\w{{1,12}} )?(?:{_WELL})|"
        rf"\bpass(?:es|ed)? (?:all |every |the |our |of ){{0,3}}(?:\w{{1,12}} )?{thing}|\bsuccessfully {thing}|"
        rf"\b(?:no|zero|0) {thing} (?:errors?|failures?|warnings?|issues?|problems?)|"
        rf"\bno (?:\w{{1,12}} )?(?:failing|failed|broken) {thing}|(?:通过|成功)[^,;:()]{{0,12}}{thing}",
        re.IGNORECASE,
    )


_CLAIMS = tuple((kind, _pattern(things)) for kind, things in _THINGS)


_STEMS: dict[int, tuple[str, ...]] = {
    Check.TESTS: (
        "test",
        "suite",
        "spec",
        "check",
        "everything",
        "green",
        "prueba",
        "тест",
        "测试",
        "測試",
        "テスト",
        "테스트",
    ),
    Check.BUILD: (
        "build",
        "compil",
        "kompil",
        "übersetz",
        "construcc",
        "сборк",
        "构建",
        "構建",
        "编译",
        "ビルド",
        "コンパイル",
        "빌드",
        "derle",
    ),
    Check.LINT: (
        "lint",
        "ruff",
        "flake8",
        "mypy",
        "pyright",
        "clippy",
        "rubocop",
        "type",
        "static",
        "typpr",
        "линт",
        "チェック",
        "检查",
        "リント",
    ),
    Check.DEPLOY: (
        "deploy",
        "release",
        "roll",
        "bereit",
        "déploi",
        "desp",
        "implanta",
        "депло",
        "разв",
        "部署",
        "デプロイ",
        "배포",
        "dağıt",
    ),
    Check.MIGRATE: ("migra", "миграци", "迁移", "遷移", "マイグ", "마이그"),
}
"""Beginnings by which a sentence is worth a closer look."""
MOST_CHARS = 4_000
"""Of a message its end, where one sums up."""


def claims(text: str, kinds: int) -> dict[int, str]:
    """The sentences of ``text`` that say of any of ``kinds`` that all went well: no condition, quote, doubt or part."""
    found: dict[int, str] = {}
    text = _CODE.sub(_meant, text[-MOST_CHARS:].replace("\u2019", "'"))
    text = _QUOTED.sub(" ", text)
    for sentence in _SENTENCE.findall(text):
        low = sentence.lower()
        for kind, pattern in _CLAIMS:
            spoken = kind & kinds and kind not in found and any(stem in low for stem in _STEMS[kind])
            if spoken and not low.endswith(("?", "？")) and _claims(sentence, pattern):
                found[kind] = sentence.strip()
    return found


def _meant(code: re.Match[str]) -> str:
    """What a command in backticks stands for."""
    words = code.group(1).lower()
    return next(
        (f" {word} " for stem, word in (("test", "suite"), ("build", "build"), ("lint", "lint")) if stem in words), " "
    )


def _claims(sentence: str, pattern: re.Pattern[str]) -> bool:
    match = pattern.search(sentence)
    if match is None:
        return False
    if _RELATIVE.search(match.group("gap") or ""):
        return False
    part = _PART.search(sentence)
    if (part is not None and part.group(1) != part.group(2)) or _SOME.search(sentence):
        return False
    return _NO_CLAIM.search(_NOTHING_WRONG.sub(" ", sentence)) is None
