"""Whether an error lies outside of the agent, is its own, or does not say: marks of protocols first, then words.

Marks are what machines write: status numbers, names and numbers of errno, SQLSTATE and gRPC, addresses with ports,
counted attempts, times that ran out. Words count only together: a thing of the network and something wrong with it
near by.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from watchdogd.core.detect.outage_words import (
    AMISS,
    GENERAL,
    NO,
    OBJECT,
    OUTAGE,
    PASSING,
    REACH,
    THING,
    WRONG,
    senses_of,
)
from watchdogd.core.events import Text

HEAD_CHARS = 600
"""Of a text, from its head, that is looked at."""
MOST_WORDS = 90
"""Words of it that are weighed."""
NEAR = 5
"""Words between which a thing and what is wrong with it belong together."""
CLOSE = 2
"""The same for words that stand in every error."""
ENOUGH = 3
"""Points that make an error an outage."""
HINTED = 2
"""Points that do where nothing speaks for the agent's own fault."""
SURE = 4
"""Points that make a text, which nothing else says is an error, one that reports an outage."""
MARKED = 5
"""Points that only a protocol's own mark gives."""
CURT_CHARS = 80
"""Up to this length a text that speaks of an outage reports it."""


class Side(IntEnum):
    """Where an error lies."""

    OPEN = 0
    """Its text does not say."""
    OWN = 1
    """With the agent."""
    OUTSIDE = 2
    """With the network or a service."""


_5XX = r"(?:50\d|51[01]|52\d|530|598|599|429)"
_STATUS = re.compile(
    rf"(?:\bhttp\S{{0,12}}|\bstatus\w{{0,6}}|\bcode|\berror|\breturned|\bresponse|\bresponded(?: with)?|\bgot"
    rf"|\banswer\w{{0,3}}(?: with)?|\bfehler|\berreur|\bсообщ\w+|\bоткл\w+|\bhata|\bchyba|\bfel)"
    rf"[\"']?\W{{1,4}}(?:is |was |of |code |status |http )?{_5XX}\b(?![.,]\d|%|/)"
    rf"|(?:\A|\n)\W{{0,4}}{_5XX}\b(?:[ :\-\u2013\u2014|]{{1,3}}(?=[^\W\d])(?!items?|rows?|lines?|files?|records?"
    rf"|results?"
    rf"|matches|entries|users|passed|tests?|bytes|errors)|\W{{0,8}}\Z)"
    rf"|[(\[]{_5XX}[)\]]|\b{_5XX} (?:service unavail|bad gateway|gateway|internal server|too many|server error|proxy)"
    rf"|\b5xx\b|\bhttp {_5XX}\b",
)
_ERRNO = re.compile(
    r"\be(?:conn|hostun|hostdown|net|ai_|timedout|pipe\b|notfound|notconn|shutdown|again\b)\w{0,12}"
    r"|\berr_(?:connection|network|internet|name_|address_|timed|ssl|tls|proxy|tunnel|empty_response|socket|quic"
    r"|http2|cert_auth)"
    r"\w*|\bwsae\w{4,}|\bwinerror 100\d\d\b|\b(?:os error|errno) ?(?:32|10[0-4]|11[0-3])\b"
    r"|\bnet::err|\bsqlstate\W{0,3}(?:08|53|57p|hyt)\w{2,3}\b|[(\[](?:08\d{3}|53\d{3}|57p0\d|hyt0\d)[)\]]"
    r"|\bora-(?:12[15]\d\d|0311[34]|03135|0103[34]|00018|00020|1251\d)\b"
    r"|\b(?:error )?(?:2002|2003|2006|2013|1040)(?: \(|:)"
    r"|\b(?:code(?: ?=)? ?|status ?[:=]?\s?|rpc error\W.{0,20}|grpc\W.{0,20})"
    r"(?:unavailable|deadline.?exceeded|resource.?exhausted|14\b|4\b|8\b)"
    r"|\b(?:resource_exhausted|deadline_exceeded|getaddrinfo|eai_\w+|nxdomain|servfail)\b"
    r"|\A\W{0,4}(?:unavailable|aborted by peer)\W"
    r"|\b4(?:21|5[012])[ -]4\.\d\.\d+|\b421\b[ :-]|\b(?:dial|lookup|read|write) (?:tcp|udp|unix)\b",
)
"""Numbers and names by which protocols and systems say it: POSIX, Winsock, browsers, SQLSTATE classes 08, 53, 57P
and HYT, Oracle TNS, MySQL client errors, gRPC codes, SMTP's 4.x.x."""
_SHAPES = re.compile(
    r"timed[ -]?out|time-?out (?:of|after|while|waiting|exceeded|expired|error|was|on|for|when)|\btime-?out\W*\Z"
    r"|(?:request|operation|handshake|connect\w*|read|write|i/o|query|socket|gateway|client|lock|idle"
    r"|statement) ?time-?out"
    r"|time-?out ?(?:error|exception)|deadline (?:was )?exceeded"
    r"|bad gateway|no route to host|name resolution|socket hang ?up|hang up|broken pipe|no internet"
    r"|too many (?:requests|connections|clients)|rate.?limit(?!\W{1,3}\d)|(?:requests?|calls?) per|limit per"
    r"|circuit.?breaker|(?:over|at|exceeded|insufficient|no|out of) capacity"
    r"|(?:internal|remote) (?:server )?error|server error|network ?(?:error|failure|problem|issue|changed)"
    r"|connection ?(?:error|failure|problem|issue|failed|reset|refused|aborted|closed|lost|timed)"
    r"|(?:failed|unable|could ?n[o'’]t|can ?n?[o'’]t) (?:to )?(?:connect|reach|resolve|look ?up|contact)"
    r"|technical (?:difficult|problem|issue)|(?:heavy|high|peak) (?:\w+ )?(?:load|traffic|demand|volume)"
    r"|(?:under|for|scheduled|undergoing|routine|planned) (?:\w+ )?maintenance|maintenance (?:mode|window|work)"
    r"|temporar(?:y|ily) (?:\w+ )?(?:un|fail|error|problem|issue|down|over|out|disabled|suspended|limit)"
    r"|peer (?:closed|reset)|max(?:imum)? retries|no (?:response|answer|reply) (?:from|within|after|to)"
    r"|no (?:healthy|available|live) "
    r"|(?:did|does|do|is|are) ?n[o'’]t (?:currently )?(?:respond|answer|reply)|stopped responding|(?:un"
    r"|non-)responsive"
    r"|\b(?:no|not enough|insufficient|zero|out of)(?: \w+){0,2} (?:replicas?|brokers?|workers?|responders?|slots?"
    r"|nodes?"
    r"|servers?|instances?|backends?|endpoints?|capacity|quorum|leader|consumers?|connections?|hosts?|resolvers?"
    r"|targets?"
    r"|upstreams?)\b"
    r"|took too long|too long to (?:respond|answer|reply|load|complete)|troppo tempo|zu lange|trop (?:de temps"
    r"|longtemps?)"
    r"|demasiado (?:tiempo|en)|слишком долго|te lang|max(?:imum)? (?:number of )?(?:clients|connections|sessions"
    r"|requests)"
    r"|unexpected (?:eof|end of (?:stream|response))|server misbehav|retry[- ]after:? \d|(?:too|currently) busy"
    r"|\bis busy|(?:service|host|name) (?:or service )?not known|\btry again (?:later|in (?:a|an|some|few|\d))"
    r"|again later"
    r"|come back|check back|slow down\b|backing off|give up after|giving up after|gave up after",
)
_SORRY = re.compile(
    r"\b(?:on|at) our (?:side|end)\b|\bour (?:engineers|team|servers?|systems?|service)\b|\bstatus page\b"
    r"|\bwe(?:['’]re| are) (?:experiencing|having|seeing|aware|working on|currently)\b|\bsomething (?:went wrong"
    r"|broke)\b"
    r"|\bunexpected (?:error|problem|condition|failure)s? (?:has |have )?(?:occurred|during|while|happened)"
    r"|\bencountered an (?:unexpected|internal)|\binternal (?:error|failure|fault)|\bunable to process (?:your|the"
    r"|this) request"
    r"|\binterner? (?:server)?fehler|\berreur interne|\berror interno|\berro interno|\berrore interno"
    r"|внутренняя ошибка"
    r"|内部错误|内部エラー|내부 오류"
)
"""A service that speaks of itself, and blames itself."""
_WAITED = re.compile(
    r"\b(?:after|within|in|for|of|exceeded|waited|took|over|timeout\W{1,3}|nach|innerhalb|après|depuis|después de"
    r"|tras|após"
    r"|dopo|entro|na|po|через|за|efter)\s?(?:waiting )?(?:of |for |the |a )?\d+(?:[.,]\d+)?\s?"
    r"(?:ms|m?secs?|s|sec|seconds?|milliseconds?|minutes?|sekunden|secondes|segundos|secondi|sekund|секунд\w*|сек|мс"
    r"|sn)\b",
)
"""A time that ran out."""
_COUNTED = re.compile(
    r"\b(?:attempts?|retr(?:y|ies)|tries|versuche?n?|tentatives?|intentos?|tentativi|pogingen|prób\w*"
    r"|попыт\w*)\W{1,3}"
    r"(?:#?\d+|exhaust|exceed|fail)|\b(?:\d+|max\w*|all|after \w+) (?:connection )?"
    r"(?:attempts?|retries|tries|versuchen?|tentatives?|intentos?|tentativ\w+|pogingen|prób\w*|попыт\w*)\b"
    r"|\bretr(?:y|ying)[- ](?:after|in)\W{1,3}\d",
)
_PLACE = re.compile(
    r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?\b|\b[a-z][\w.-]{0,60}\.[a-z][\w-]{0,20}:\d{2,5}\b|\blocalhost:\d{2,5}\b"
    r"|\b[a-z]{2,12}://[^\s\"'<>]{3,}|\bport[ =:]{1,2}\d{2,5}\b|\b[a-z][a-z0-9-]{1,20}:\d{4,5}\b(?!:)",
)
"""An address in the network."""
_SCRIPT = re.compile(
    "超时|逾時|连接(?:失败|被拒|中断|重置|错误|已断|断开)|連線(?:失敗|被拒|中斷|逾時)|无法(?:连接|访问|到达)|無法(?:連線|連接)|不可用|繁忙|忙碌|过载|"
    "限流|频率|過於頻繁|稍后(?:再试|重试)|稍後再試|服务(?:器)?(?:异常|错误|暂停|维护)|网络(?:异常|错误|故障|不可达)|维护中|"
    "タイムアウト|接続(?:できま|に失敗|が拒否|エラー|が切断|が切れ|がリセット)|"
    "利用できません|混雑|混み合|過負荷|メンテナンス|しばらく(?:して|経って)|"
    "応答(?:がありません|しません)|"
    "サーバー?(?:エラー|に接続)|通信エラー|ネットワーク(?:エラー|に到達)|"
    "연결(?:할 수 없|이 거부|이 끊|에 실패|실패|이 재설정|오류)|"
    "시간 ?초과|과부하|사용할 수 없|잠시 (?:후|뒤)|점검 중|응답(?:이 없|하지 않)|"
    "네트워크 (?:오류|장애)|서버 (?:오류|장애)|"
    "انتهت (?:المهلة|مهلة)|غير متاح|تعذر الاتصال|الخادم (?:لا|مشغول)|لا يستجيب|رُ?فض الاتصال|حاول مرة أخرى|"
    "समय समाप्त|अनुपलब्ध|सर्वर (?:से|व्यस्त)|कनेक्शन|बाद में|"
    "זמן קצוב|אינו זמין|השרת|החיבור|נסה שוב|"
    "หมดเวลา|ไม่สามารถเชื่อมต่อ|เซิร์ฟเวอร์|ลองใหม่|"
    "δεν (?:ανταποκρίνεται|είναι διαθέσιμ)|διακομιστ|λήξη χρόνου|σύνδεση(?:ς)? (?:απέτυχε|διακόπηκε)|"
    "không (?:phản hồi|thể kết nối|khả dụng)|quá tải|hết thời gian|thử lại sau|waktu habis|tidak tersedia|sibuk"
    "|coba lagi"
)
"""Scripts and tongues whose words do not come apart, or hardly change."""
_OWN_PLAIN = re.compile(
    r"\b(?:type|name|key|index|attribute|syntax|reference|value|indentation|unbound ?local|zero ?division|lookup"
    r"|assertion"
    r"|import|module ?not ?found|file ?not ?found|is ?a ?directory|not ?a ?directory|file ?exists|unicode\w*"
    r"|json ?decode"
    r"|overflow|recursion|range|validation|parse|compile|schema|illegal ?argument|null ?pointer|class ?cast"
    r"|number ?format"
    r"|array ?index\w*|no ?such ?\w+) ?(?:error|exception)\b"
    r"|\bassert(?:ion)?\b|\bexpected\b.{1,80}\b(?:but|got|received|actual|found|saw|to (?:be|equal|have))\b"
    r"|\bwant(?:ed)?\b.{1,60}\b(?:have|got)\b|\bfail: test|::test|\btest \w+(?:, test|::| failed)"
    r"|\btests? (?:\w+ )?failed\b|\bfailed tests?\b|[✗✘]|\bbut (?:was|got)\b"
    r"|\bmust (?:not )?(?:be|have|match|contain|start|specify|provide)\b|\bno such (?!host|server|service)\w+"
    r"|\bno module named|\bcommand not found|\bis not (?:a|an|defined|recogni[sz]ed|supported|callable|iterable)\b"
    r"|\b(?:permission|access|privileges?) (?:is |was )?denied|\bforbidden\b|\bunauthori[sz]ed\b|\bnot authori[sz]ed"
    r"|\bauthenticat\w+|\bcredentials?\b|\bpasswords?\b|\bapi[ _-]?key\b|\blog ?in\b|\bself.signed|\bcertificate"
    r"|\b(?:cannot|can ?n[o'’]t|could ?n[o'’]t|unable to) (?:find|locate|import|parse|(?:open|read|load|access"
    r"|stat)(?! (?:an? "
    r"|the )?(?:\w+ )?(?:connection|socket|url|stream|host|server|service|endpoint|port|api)))\b"
    r"|\b(?:cannot|can ?n[o'’]t) (?:assign|convert|cast|compare|use|index|call|iterate|infer|borrow|set|be|delete"
    r"|cancel|book"
    r"|change|edit|redeclare|reply)\b|\boption\b.{0,40}\bunknown\b|\bundeclared\b|\bdisk quota\b"
    r"|\b\d+ failed, \d+ passed"
    r"|\bunknown (?:option|argument|flag|command|param\w*|field|column|key|keyword|attribute|method|function"
    r"|variable|type"
    r"|subcommand|user|tool|property|table|database|id)\b|\bunrecogni[sz]ed (?:option|argument|command)"
    r"|\b(?:missing|requires?) (?:\d+ )?(?:required |positional |an? )?(?:arg\w*|param\w*|field|option|key|value)"
    r"|\binvalid (?:arg\w*|param\w*|option|value|syntax|literal|json|format|date|id|name|type|choice|input|url|email"
    r"|key"
    r"|host ?name|port)\b"
    r"|\busage:|\b(?:http|status|code|error)\W{1,4}(?:40[0134569]|41[0-7]|422)\b|\bsyntax error|\bundefined\b"
    r"|\bis required\b"
    r"|\balready exists\b|\bdoes not exist\b|\bdoesn't exist\b|\binsufficient (?:funds|balance|permission|privilege"
    r"|stock)"
    r"|\bcompil\w+ (?:failed|error)|\bmerge conflict|\bnot a (?:git|valid)\b|\bexit ?(?:code|status)\W{1,3}124\b"
    r"|\bunexpected (?:token|keyword|argument|indent)",
)
"""What only the agent's own doing is called."""
_OWN_PERHAPS = re.compile(
    r"\b(?:invalid|illegal|malformed|missing|unexpected|unsupported|unknown|duplicate|mismatch|wrong|incorrect"
    r"|required"
    r"|denied|not (?:be )?found|not (?:allowed|permitted|supported|valid|understood)|conflict|out of (?:range|bounds"
    r"|stock)"
    r"|argument|parameter|syntax|parse|ungültig\w*|fehlende?r?|nicht gefunden|invalide|introuvable|manquant\w*"
    r"|inválid\w+"
    r"|no encontrad\w+|não encontrad\w+|non trovat\w+|non valid\w+|ongeldig\w*|niet gevonden|nieprawidłow\w+"
    r"|nie znaleziono|неверн\w+|не найден\w*|недопустим\w+|geçersiz|bulunamadı|ogiltig\w*|saknas)\b"
    r"|无效|無效|不存在|未找到|无权|格式错误|必填|権限|見つかりません|無効|不正な|찾을 수 없|잘못된|권한",
)
_GOES_ON = re.compile(
    r"(?i)\b(?:start|warm|boot|catch|recover|initiali[sz]|load|provision|pend|process|sync|deploy|build|migrat|scal"
    r"|creat"
    r"|prepar|replicat)ing\b|\bqueued\b|\bin progress\b|\bstandby is\b"
)
"""What a service says while it is on its way: no outage unless the call was refused for it."""
_SETTING = re.compile(
    r"\W*(?:(?!\w*(?:status|code|error|http))[\w.-]{1,40}\s?[=:]\s?[\"']?)?[\d.]+\s?\w{0,3}[\"']?\W*\Z", re.I
)
"""A name and its value."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019]t)?")
_NAMED = re.compile(
    r"[\w.-]*/[\w./-]*\.\w{1,5}\b(?::\d+)?|\b[\w-]+\.(?:py|js|ts|go|rs|java|rb|c|h|cpp|md|txt|log|json|ya?ml|toml"
    r"|conf)\b(?::\d+)?"
    r"|(?<!\S)--?[a-z][\w-]+|`[^`\n]{0,80}`|(?<![:{,\[(]\s)(?<![:{,\[(])[\"'][\w.-]{1,60}[\"'](?!\s?[:,}\]])"
)
"""Files, options, quoted names: they say nothing."""


def side_of(text: str) -> Side:
    """Where the error that ``text`` tells of lies."""
    outside, own = points(text[:HEAD_CHARS])
    if outside > own and outside >= (ENOUGH if own else HINTED):
        return Side.OUTSIDE
    return Side.OWN if own else Side.OPEN


def speaks_of_outage(head: str) -> bool:
    """Whether ``head`` plainly reports an outage, although nothing else says that it is an error."""
    if _SETTING.match(head):
        return False
    outside, own = points(head[:HEAD_CHARS])
    least = MARKED if _GOES_ON.search(head) else ENOUGH if len(head) <= CURT_CHARS else SURE
    return outside >= least and outside > own


def is_outage(text: Text) -> bool:
    """Whether an error speaks of the network or of a service; only asked once it is known to be an error."""
    return side_of(core_of(text)) is Side.OUTSIDE


def core_of(text: Text) -> str:
    """The part of an error that says what is wrong: of a stack trace its last line, else its head."""
    head = text.head[:HEAD_CHARS]
    if "Traceback (most recent" in head:
        whole = (text.tail or text.head)[-HEAD_CHARS:].rstrip()
        return whole.rpartition("\n")[2]
    return head


@lru_cache(maxsize=256)
def points(head: str) -> tuple[int, int]:
    """How much speaks for an outage, and how much for the agent's own fault."""
    split = _CAMEL.sub(" ", _NAMED.sub(" ", head))
    low = split.lower()
    marks = 0
    if _STATUS.search(low):
        marks = 5
    raw = head.lower()
    if _ERRNO.search(raw):
        marks = max(marks, 5) + bool(marks)
    spaced = low.replace("_", " ")
    if not head.isascii() and _SCRIPT.search(head):
        marks += 3
    if _SHAPES.search(spaced) or _SORRY.search(spaced):
        marks += 3
    worded = _worded(spaced)
    outside = max(marks, worded) + (min(marks, worded) > 1)
    if outside:
        outside += (_WAITED.search(spaced) is not None) + (_PLACE.search(raw) is not None)
        outside += _COUNTED.search(spaced) is not None
    own = 4 * min(2, len(_OWN_PLAIN.findall(spaced)))
    if not own and _OWN_PERHAPS.search(spaced):
        own = 2
    return outside, own


def _worded(text: str) -> int:
    """Points of the words of ``text``: a thing and what is wrong with it, near each other."""
    words = _WORD.findall(text, 0, 2_000)[:MOST_WORDS]
    sensed = [(at, found) for at, word in enumerate(words) if (found := senses_of(word))]
    strong = any(found & THING for _, found in sensed)
    best = passing = things = 0
    for index, (at, senses) in enumerate(sensed):
        if senses & OUTAGE:
            best = max(best, 3)
        passing += bool(senses & PASSING)
        things += bool(senses & (THING | OBJECT))
        for there, other in sensed[index + 1 : index + 1 + NEAR]:
            if there - at > NEAR:
                break
            best = max(best, _paired(senses, other, there - at), _paired(other, senses, there - at + 1))
            if there - at < NEAR and ((senses & NO and other & REACH) or (senses & REACH and other & NO)):
                best = max(best, 1 + 2 * strong)
    if not best:
        return int(passing >= 2)
    return best + min(2, passing) + (best > 2 and things > 1)


def _paired(thing: int, wrong: int, apart: int) -> int:
    """What a thing and what is wrong with it say together.

    "Error" stands in every error, and has to stand close by: "link failure", but not "error: the link".
    """
    if not wrong & (WRONG | AMISS) or not thing & (THING | OBJECT) or (wrong & GENERAL and apart > CLOSE):
        return 0
    return 1 + bool(thing & THING) + bool(wrong & WRONG)
