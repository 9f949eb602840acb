"""Marks of an outage that protocols and systems write: numbers, names, addresses, counted attempts, spent time."""

from __future__ import annotations

import re


def any_of(*phrases: str) -> re.Pattern[str]:
    """One of ``phrases``, from the beginning of a word: so few places of a text are looked at twice."""
    return re.compile(rf"\b(?:{'|'.join(phrases)})")


_5XX = r"(?:50\d|51[01]|52\d|530|598|599|429)"
_NUMBER = re.compile(rf"(?<![\d.]){_5XX}(?!\d)|5xx")
_STATUS = re.compile(
    r"(?:\b(?:http\S{0,12}|status\w{0,6}|code|error|returned|response|responded(?: with)?|got|answer\w{0,3}(?: with)?"
    r"|fehler\w{0,4}|erreur|ошибк\w|hata|chyba|fel)"
    rf"[\"']?\W{{1,4}}(?:is |was |of |code |status |http )?{_5XX}\b(?![.,]\d|%|/)"
    rf"|\b(?:sip|smtp|ftp|http|rest|soap|api)\W{{0,3}}{_5XX}\b|(?:\A"
    rf"|\n)(?:[\w.-]{{1,30}}:\s)?\W{{0,4}}{_5XX}\b(?:[ :\-\u2013\u2014|]{{1,3}}(?=[^\W\d])(?!items?|rows?|lines?"
    rf"|files?|records?"
    r"|results?|matches|entries|users|passed|tests?|bytes|errors)|\W{0,8}\Z)"
    rf"|[(\[]{_5XX}[)\]]|\b{_5XX} (?:service unavail|bad gateway|gateway|internal server|too many|server error|proxy)"
    rf"|\b5xx\b|\bhttp {_5XX}\b)"
)
_ERRNO = any_of(
    r"e(?:conn|hostun|hostdown|net|ai_|timedout|pipe\b|notfound|notconn|shutdown|again\b)\w{0,12}",
    r"err_(?:connection|network|internet|name_|address_|timed|ssl|tls|proxy|tunnel|empty_response|socket|quic"
    r"|http2)\w*",
    r"wsae\w{4,}|winerror 100\d\d\b|(?:os error|errno) ?(?:32|10[0-4]|11[0-3])\b|net::err",
    r"sqlstate\W{0,3}(?:08|53|57p|hyt)\w{2,3}\b|(?:08[0s]\w\d|53[0-4]00|57p0\d|hyt0\d)(?=[)\]])",
    r"ora-(?:12[15]\d\d|0311[34]|03135|0103[34]|00018|00020)\b|(?:2002|2003|2006|2013|1040)(?: \(|:)",
    r"(?:rpc error|grpc)\W.{0,20}?(?:unavailable|deadline|exhausted|(?:code |status |= ?)(?:14|4|8)\b)",
    r"(?:code|status) ?[:=]? ?(?:unavailable|deadline.?exceeded|resource.?exhausted)",
    r"(?:resource_exhausted|deadline_exceeded|getaddrinfo|eai_\w+|nxdomain|servfail)\b",
    r"4(?:21|5[012])[ -]4\.\d\.\d+|421[ :-]|(?:dial|lookup|read|write) (?:tcp|udp|unix)\b",
)
"""POSIX, Winsock, browsers, SQLSTATE classes 08, 53, 57P and HYT, Oracle TNS, MySQL client errors, gRPC codes, SMTP's
4.x.x."""
_SHAPES = any_of(
    r"timed[ -]?out|time-?out (?:of|after|while|waiting|exceeded|expired|error|was|on|for|when)|time-?out\W*\Z",
    r"(?:request|operation|handshake|connect\w*|read|write|i/o|query|socket|gateway|client|lock|idle"
    r"|statement) ?time-?out",
    r"time-?out ?(?:error|exception)|deadline (?:was )?exceeded|bad gateway|no route to host|name resolution",
    r"socket hang ?up|hang up|broken pipe|no internet|too many (?:requests|connections|clients)",
    r"rate.?limit(?!\W{1,3}\d)|(?:requests?|calls?) per|limit per|circuit.?breaker",
    r"(?:over|at|exceeded|insufficient|no|out of) capacity|(?:internal|remote) (?:server )?error|server error",
    r"network ?(?:error|failure|problem|issue|changed)|peer (?:closed|reset)|max(?:imum)? retries",
    r"connection ?(?:error|failure|problem|issue|failed|reset|refused|aborted|closed|lost|timed)",
    r"(?:failed|unable|could ?n[o'\u2019]t|can ?n?[o'\u2019]t) (?:to )?(?:connect|reach|resolve|look ?up|contact)",
    r"technical (?:difficult|problem|issue)|(?:heavy|high|peak) (?:\w+ )?(?:load|traffic|demand|volume)",
    r"(?:under|for|scheduled|undergoing|routine|planned) (?:\w+ )?maintenance|maintenance (?:mode|window|work)",
    r"temporar(?:y|ily) (?:\w+ )?(?:un|fail|error|problem|issue|down|over|out|disabled|suspended|limit)",
    r"no (?:response|answer|reply) (?:from|within|after|to)|no (?:healthy|available|live) ",
    r"(?:did|does|do|is|are) ?n[o'\u2019]t (?:currently )?(?:respond|answer|reply)|stopped responding|(?:un"
    r"|non-)responsive",
    r"(?:no|not enough|insufficient|zero|out of)(?: \w+){0,2} (?:replicas?|brokers?|workers?|responders?|slots?"
    r"|nodes?"
    r"|servers?|instances?|backends?|endpoints?|capacity|quorum|leader|consumers?|connections?|hosts?|resolvers?"
    r"|targets?|upstreams?)\b",
    r"took too long|too long to (?:respond|answer|reply|load|complete)|troppo tempo|zu lange|trop (?:de temps"
    r"|longtemps?)",
    r"demasiado (?:tiempo|en)\b|слишком долго|te lang|max(?:imum)? (?:number of )?(?:clients|connections|sessions"
    r"|requests)",
    r"unexpected (?:eof|end of (?:stream|response))|server misbehav|retry[- ]after:? \d|(?:too|currently) busy"
    r"|is busy",
    r"(?:service|host|name) (?:or service )?not known|try again (?:later|in (?:a|an|some|few|\d))|again later",
    r"zu viele (?:anfragen|verbindungen)|trop de (?:requêtes|connexions)|demasiad[ao]s (?:peticiones|solicitudes"
    r"|conexiones)"
    r"|muitas (?:solicitações|requisições|conexões)|troppe (?:richieste|connessioni)|te veel (?:aanvragen|verzoeken)"
    r"|слишком много запросов|za dużo (?:żądań|połączeń)|çok fazla istek|för många (?:anrop|anslutningar)",
    r"(?:out of|fuera de|hors|fuori|hizmet) (?:service|order|servicio|servizio|dışı)|außer betrieb|fora d[eo] (?:ar"
    r"|operação"
    r"|serviço)|buiten (?:werking|dienst|gebruik)|не работает|ur funktion|mimo provoz|(?:im|in|en|em|na"
    r"|ve?) (?:wartung"
    r"|maintenance|mantenimiento|manutenção|manutenzione|onderhoud|konserwacji|údržbě)|wartungsarbeiten|bakımda"
    r"|техническ\w+ работ|prace serwisowe",
    r"time limit|allotted time|lost (?:contact|communication|touch)",
    r"come back|check back|slow down\b|backing off|(?:give|giving|gave) up after",
)
_SORRY = any_of(
    r"(?:on|at) our (?:side|end)\b|our (?:engineers|team|servers?|systems?|service)\b|status page\b",
    r"we(?:['\u2019]re| are) (?:experiencing|having|seeing|aware|working on|currently)\b|something (?:went wrong"
    r"|broke)\b",
    r"unexpected (?:error|problem|condition|failure)s? (?:has |have )?(?:occurred|during|while|happened)",
    r"encountered an (?:unexpected|internal)|internal (?:error|failure|fault)|unable to process (?:your|the"
    r"|this) request",
    r"interner? (?:server)?fehler|erreur interne|error interno|erro interno|errore interno|внутренняя ошибка",
)
"""A service that speaks of itself, and blames itself."""
_WAITED = any_of(
    r"(?:after|within|in|for|of|exceeded|waited|took|over|timeout\W{1,3}|nach|innerhalb|après|depuis|después de|tras"
    r"|após"
    r"|dopo|entro|na|po|через|за|efter)\s?(?:waiting )?(?:of |for |the |a )?\d+(?:[.,]\d+)?\s?"
    r"(?:ms|m?secs?|s|sec|seconds?|milliseconds?|minutes?|sekunden|secondes|segundos|secondi|sekund|секунд\w*|сек|мс"
    r"|sn)\b",
)
"""A time that ran out."""
_COUNTED = any_of(
    r"(?:attempts?|retr(?:y|ies)|tries|versuche?n?|tentatives?|intentos?|tentativi|pogingen|prób\w*|попыт\w*)\W{1,3}"
    r"(?:#?\d+|exhaust|exceed|fail)",
    r"(?:\d+|max\w*|all|after \w+) (?:connection )?"
    r"(?:attempts?|retries|tries|versuchen?|tentatives?|intentos?|tentativ\w+|pogingen|prób\w*|попыт\w*)\b",
    r"retr(?:y|ying)[- ](?:after|in)\W{1,3}\d",
)
_PLACE = any_of(
    r"(?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?\b|[a-z][\w.-]{0,60}\.[a-z][\w-]{0,20}:\d{2,5}\b|localhost:\d{2,5}\b",
    r"[a-z]{2,12}://[^\s\"'<>]{3,}|port[ =:]{1,2}\d{2,5}\b|[a-z][a-z0-9-]{1,20}:\d{4,5}\b(?!:)",
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
    "시간 ?초과|너무 많|과부하|사용할 수 없|잠시 (?:후|뒤)|점검 중|응답(?:이 없|하지 않)|"
    "네트워크 (?:오류|장애)|서버 (?:오류|장애)|"
    "انتهت (?:المهلة|مهلة)|غير متاح|تعذر (?:الاتصال|الوصول)|الخادم (?:لا|مشغول)|لا يستجيب|رُ?فض الاتصال"
    "|حاول مرة أخرى|"
    "समय समाप्त|अनुपलब्ध|सर्वर (?:से|व्यस्त)|कनेक्शन|बाद में|"
    "זמן קצוב|אינו זמין|השרת|החיבור|נסה שוב|"
    "หมดเวลา|ไม่สามารถเชื่อมต่อ|เซิร์ฟเวอร์|ลองใหม่|"
    "δεν (?:ανταποκρίνεται|είναι διαθέσιμ)|διακομιστ|λήξη χρόνου|σύνδεση(?:ς)? (?:απέτυχε|διακόπηκε)|"
    "không (?:phản hồi|thể kết nối|khả dụng)|quá tải|hết thời gian|thử lại sau|waktu habis|tidak tersedia|sibuk"
    "|coba lagi"
)
"""Scripts and tongues whose words do not come apart, or hardly change."""

STATUS_POINTS, SHAPE_POINTS = 5, 3


def marks_of(raw: str, spaced: str) -> int:
    """Points of the marks in a text.

    Args:
        raw: in small letters.
        spaced: the same with its compounds taken apart and the names of files, options and fields taken out.
    """
    found = STATUS_POINTS if _NUMBER.search(raw) and _STATUS.search(raw) else 0
    if _ERRNO.search(raw):
        found = max(found, STATUS_POINTS) + bool(found)
    if not raw.isascii() and _SCRIPT.search(raw):
        found += SHAPE_POINTS
    if _SHAPES.search(spaced) or _SORRY.search(spaced):
        found += SHAPE_POINTS
    return found


def beside(raw: str, spaced: str) -> int:
    """Points of what makes an outage more likely where something else speaks for one."""
    found = _WAITED, _COUNTED
    return sum(one.search(spaced) is not None for one in found) + (_PLACE.search(raw) is not None)
