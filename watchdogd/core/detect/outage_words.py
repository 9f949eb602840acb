"""Whether a text speaks of the network or of a service that cannot answer: shapes, for want of a typed status."""

from __future__ import annotations

import re

from watchdogd.core.events import Text

HEAD_CHARS = 400
"""Of a text, from its head, that is looked at."""

_SHAPES = (
    r"(?:http\S{0,12}|status|code|error|returned|response|got)\W{1,4}(?:50\d|52\d|429)\b",
    r"(?:\A|\n)\W{0,4}(?:50\d|52\d|429)\b[ :-]{1,3}(?:service|bad|gateway|backend|server|internal|proxy"
    r"|too|temp|upstream|error|web|site|origin|over|time|unavail|no )",
    r"\A(?:\w+ ){0,2}unavailable",
    r"\b(?:service|server|site|system|host|network|gateway|endpoint|api|code|temporarily"
    r"|currently)\W{1,3}(?:\w+ ){0,3}unavailable",
    r"bad gateway",
    r"gateway time",
    r"timed[ -]?out",
    r"\b(?:request|operation|handshake|connect\w*|read|i/o|deadline|query) time-?out",
    r"\btime-?out (?:of|after|while|waiting|exceeded|expired|error|was)",
    r"time-?out(?:error|exception)",
    r"deadline (?:was )?exceeded",
    r"\be(?:conn|host|net|ai |timedout|pipe|notfound)\w{0,12}",
    r"getaddrinfo",
    r"\bconnect(?:ion)?s?\W{1,3}(?:\w+\W{1,3}){0,3}?(?:refused|reset|closed|aborted|lost|error|fail\w*"
    r"|timed|time-?out|dropped|terminated|interrupted|broken|denied by)",
    r"\b(?:clos\w+|reset\w*|lost|dropp\w+|refus\w+|terminat\w+|interrupt\w+|too many"
    r"|no) (?:\w+ ){0,2}connections?\b",
    r"(?:failed|could ?n[o'’]t|unable|can ?n?[o'’]t) (?:to )?(?:connect|reach|resolve|look ?up)",
    r"disconnected",
    r"connect ?timeout",
    r"name resolution",
    r"no route to host",
    r"unreachable",
    r"\bdial (?:tcp|udp)",
    r"server misbehav",
    r"\b(?:is|are|went|currently) offline",
    r"no internet",
    r"overload",
    r"rate.?limit(?!\W{1,3}\d)",
    r"too many (?:requests|connections)",
    r"socket hang up",
    r"broken pipe",
    r"limit per",
    r"(?:requests?|calls?) per",
    r"experiencing (?:\w+ ){0,2}(?:load|traffic|demand)",
    r"(?:heavy|high|under) load",
    r"high demand",
    r"too busy",
    r"server (?:is )?busy",
    r"(?:over|at|exceeded) capacity",
    r"upstream (?:\w+ ){0,2}(?:error|fail|connect|request|server|time|service|prematurely|sent)",
    r"(?:upstream|backend|proxy) (?:\w+ ){0,3}(?:error|fail\w*|unavailable|timed?|down)",
    r"(?:internal|remote) (?:server )?error",
    r"server error",
    r"network ?(?:is (?:down|un|off|not|lost|busy|slow)|error|failure|down|problem|issue|changed)",
    r"(?:service|host|name) (?:or service )?not known",
    r"\bdns (?:\w+ ){0,2}(?:error|fail|lookup|resol)",
    r"\b(?:tls|ssl)\b.{0,40}(?:handshake|fail|eof)",
    r"(?:try|retry|come back|check back)(?: \w+)?(?: (?:again|later|(?:after|in) (?:an?|some|few|\d+))\b){1,3}",
    r"again later",
    r"retry[- ]after:? \d",
    r"temporar(?:y|ily) (?:\w+ )?(?:un|fail|error|problem|issue|down|over|out|disabled|suspended|limit)",
    r"(?:under|for|scheduled|undergoing) (?:\w+ )?maintenance",
    r"maintenance (?:mode|window|work)",
    r"technical (?:difficult|problem|issue)",
    r"service (?:is )?(?:down|disrupt|degrad|interrupt)",
    r"peer (?:closed|reset)",
    r"max(?:imum)? retries",
    r"no (?:response|answer|reply) from",
    r"(?:did|does|is) ?n[o'’]t respond",
)
_OUTAGE = re.compile("|".join(_SHAPES))
_BARE_STATUS = re.compile(r"\W{0,8}(?:50\d|52\d|429)\W{0,8}")
_HINTS = tuple(
    """unavailable|gateway|timed|timeout|time-out|time out|deadline|econn|ehost|enet|eai|epipe|enotf|etime|getaddr
    |connect|resol|to reach|t reach|reachable|lookup|look up|no route|dial |misbehav|offline|internet|overload
    |rate limit|rate-limit|ratelimit|too many|hang up|broken pipe|limit per|s per|l per|t per|y load|h load|er load
    |g load|traffic|demand|busy|capacity|upstream|backend|proxy|server error|remote error|internal|network
    |not known|dns|tls|ssl|try|come back|check back|again later|temporar|maintenance|technical|service|peer |retries
    |no response|no answer|no reply|respond|50|52|429""".replace("\n    ", "").split("|")
)


def speaks_of_outage(head: str) -> bool:
    """Whether ``head`` has the shape of an outage's message."""
    low = head.lower().replace("_", " ")
    return any(hint in low for hint in _HINTS) and _OUTAGE.search(low) is not None


def is_outage(text: Text) -> bool:
    """Whether an error speaks of the network or of a service; only asked once it is known to be an error."""
    head = text.head[:HEAD_CHARS]
    return speaks_of_outage(head) or _BARE_STATUS.fullmatch(head) is not None
