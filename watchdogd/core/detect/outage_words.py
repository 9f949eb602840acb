"""What is said of the network and of services that cannot answer, as word stems in a dozen languages.

No stem decides: a *thing* out there and something *wrong* with it have to stand near each other (``outage_signs``).
Stems are compared with the beginnings of words, so that endings and compounds do not matter.
"""

from __future__ import annotations

THING, OBJECT, WRONG, AMISS, OUTAGE, PASSING, NO, REACH, GENERAL, REPLY = (1 << n for n in range(10))
"""Senses, as bits: a thing of the network; what may be one; plainly wrong; perhaps wrong; both in one (unreachable); it
will pass; a denial; what is denied of a service (to answer, to be reached); what stands
in every error; to answer and to be reached, which only what is far away can fail to do."""

_STEMS = {
    THING: """
    comm controller feed hostname zielrechner communication communications ожидани server service serviced host
    gateway proxy proxies upstream backend endpoint provider network internet connection socket peer broker cluster
    quorum shard tunnel dns resolver nameserver tls ssl handshake tcp udp http https grpc rpc database datastore vpn
    cdn loadbalancer balancer datacenter router modem uplink backplane sentinel replica protocol quota throughput
    concurrency capacity remote webhook website downstream ingress egress bandwidth packets daemon appliance
    microservice lambda middleware dienst verbindung netz netzwerk gegenstelle leitung datenbank anbieter serveur
    connexion réseau passerelle hôte fournisseur servidor servicio conexi enlace proveedor serviço conexão rede
    ligação servizio connession fornitore verbinding netwerk serwer serwera usługa usługi połączen sieć sieci сервер
    соединен подключен сеть сети сервис служба шлюз хост хосту узел sunucu bağlant hizmet tjänst anslutning nätverk
    värd palvelin yhteys tjeneste forbindelse tilkobling služba služby připojení spojení síť szerver kapcsolat
    szolgáltatás máy
    """,
    OBJECT: """
    api link channel node nodes leader pool stream mirror tenant request requests call calls query transaction rate
    load demand traffic queue model inference partition coordinator region instance worker workers responder
    listener subscriber consumer carrier port route mesh session transport master primary standby dependency origin
    resource resources system platform app backend batch job scheduler registry repository bucket transfer download
    upload fetch response reply target terminal connect volume slots lease pod scanner gpu anfrage anfragen
    warteschlange rechner abfrage auftrag seite requête demande système délai red solicitud petición cola sistema
    tiempo pedido fila tempo richiesta coda aanvraag systeem wachtrij żądan zapytan запрос система
    """,
    WRONG: """
    loss recovery readonly zurückgesetzt goaway down refuse refused refuses refusing reset resets closed dropped
    drops lost losing broke broken interrupted dead died gone away busy exhaust saturat stalled stalls hung shutting
    shutdown drained draining unhealthy degrad disrupt truncat premature expired evicted preempt offline flapping
    booting recovering failover unstable heavy peak severed misbehav crashed blackhole silent outdated backpressure
    hangs deadline overrun terminated aborted restarting rebooting backlog swamped choked starved spike surge full
    severe fenced demoted isolated partitioned unplugged vanished forced exceeded elapsed excessive excessively
    rejecting rejected lame poisoned quiesc eof unassigned ausgefallen unterbroch abgebroch verweiger abgelaufen
    abgewiesen getrennt verloren ausgelast gestört störung abgerissen abgelehn zusammengebroch beendet perdu perdue
    rompu rompue refusé coupé expiré dépass satur interromp panne fermé écoulé caído caída rechaz perdid agotad
    agotó cerrad interrump cortad vencid saturad caiu recusad esgotad fechad encerrad excedid caduto caduta rifiutat
    perso persa scadut chius esaurit interrott superat saturo verbroken geweiger verlopen gesloten verstreken odrzuc
    utracon przerwan wygas zerwan upłyn awari разорв сброш отказ потерян закрыт прерван превыш оборв истек истёк
    kesild reddedil doldu koptu düştü nekad nekade bröts avbruten avbröts katke afbrudt avbrutt přeruš odmítn
    vypršel megszakad elutasít mistet
    """,
    AMISS: """
    exception fail fails failed failing failure error errors errored limit limits limited exceed exceeds violat
    closing closes close drop abort interrupt terminate reject trouble problem problems issue issues difficult
    malfunction loss cut cancelled canceled unknown unresolved starting warming timed time suspended restart reboot
    reached incomplete corrupt fault bad crash stuck many few unable waiting wait waited stopped stop unexpected
    unexpectedly misconfigured blocked sick empty fehler fehlgeschlagen gescheitert wartung probleme zeit échou
    échec erreur fallo falló máximo falha falhou erro limite fallit errore mislukt fout błąd ошибк сбой hata
    başarısız misslyck fel virhe fejl feil chyba selhal hiba
    """,
    GENERAL: """
    error errors errored exception fail fails failed failing failure fehler fehlgeschlagen erreur échec échou falló
    fallo errore fallit falha falhou erro fout mislukt błąd ошибк hata virhe fejl feil chyba fel hiba
    """,
    REPLY: """
    reach reachable connect connected connecting respond responded responding response answer answered answering
    reply replies contact contacted acknowledg pong connectivity signal lookup handshake erreichbar erreichen
    antwort antwortet verbinden verbindung reagiert répond réponse joindre joignable contacter atteindre responde
    respuest conectar alcanz responder respost alcanç contactar contatar risposta risponde raggiung connetter
    reageer bereik antwoord verbinding odpowied odpowiada połączyć połączen отвеч ответ подключиться соединиться
    реагир yanıt svar nås vastaa odpověd válasz kapcsolat bağlant yhteys forbindelse anslutning
    """,
    OUTAGE: """
    neodpovíd bağlanılamad bağlanamad unavailab unreachab overload timeout timeouts throttl ratelimit unrespons
    nonrespons outage brownout nxdomain servfail congest disconnect hangup overcapacity unroutable gaierror econn
    überlast zeitüberschreit serverfehler verbindungsfehler verbindungsabbr netzwerkfehler indisponib injoign
    surcharg inaccessib indispon sobrecarg sovraccar irraggiung sobrecarr inacess inaccesib overbelast onbereikb
    onbeschikb niedostęp nieosiągal przeciąż недоступ перегру таймаут ulaşılam otillgäng överbelast överlast
    utilgjeng utilgængel nedostupn přetíž elérhetetl túlterhel saavuttamat ylikuormit
    """,
    PASSING: """
    later temporar retry retries retrying retried retryable momentar shortly again backoff attempt attempts tries
    transient maintenance moment minutes seconds soon meantime intermittent reconnect currently später vorübergeh
    erneut nochmal versuch kürze derzeit tard réessay momentan ultérieur tentative tentatives essay actuellement
    tarde temporal inténtel reintent intento intentos luego novament tente temporár riprov tardi temporane opnieuw
    straks tijdelijk później ponownie spróbuj chwil tymczas позже повтор попыт временно sonra tekrar senare försök
    uudelleen myöhemmin později znovu később újra senere igen
    """,
    NO: """
    vermiyor yok neodpovíd not no cannot cant can't never none without unable couldn't didn't doesn't isn't won't
    couldnt nobody nothing failed failing fails fail failure lacks haven't hasn't wasn't impossible lost nicht kein
    keine konnte pas aucun aucune não nao sem non nessun nessuna impossibile niet geen nie brak не нет нельзя inte
    ingen ei ikke není nelze nem nincs imposible
    """,
    REACH: """
    verbinding reageer reageert verfügung verbindung conexi connexion conexão conness соединен połączen bağlant
    yhteys forbindelse anslutning reagiert реагир pripojen kapcsolat reach reachable connect connected connecting
    respond responded responding response answer answered answering reply replies resolve resolved resolving
    resolution contact contacted route available availability responsive establish establishing listening accepting
    handshake lookup healthy heartbeat acquire obtain acknowledg negotiat leader quorum capacity pong backends
    brokers upstreams responders connection connectivity signal internet network erreichbar erreichen verfügbar
    antwort antwortet verbinden aufgelöst hergestellt aufgebaut erreicht répond réponse joindre disponible joignable
    établir contacter atteindre connecter responde respuest conectar alcanz estable resolver responder respost
    disponív alcanç contactar contatar risposta risponde disponibil raggiung connetter bereik antwoord beschikbaar
    dostępn odpowied odpowiada połączyć отвеч ответ доступ подключиться соединиться удалось yanıt svar nås nå
    tillgäng vastaa tilgjeng odpověd dostupn válasz elérhető
    """,
}
_ALIKE = (
    "requested requester requesting rated rates modeled restaurant systematic required requirement resettable namely"
)
"""Words that only begin like one of them."""
HEAD = 4
"""Stems up to this length are whole words or their plurals (letters)."""


def _by_head() -> dict[str, tuple[tuple[str, int], ...]]:
    found: dict[str, dict[str, int]] = {}
    for sense, stems in (*_STEMS.items(), (0, _ALIKE)):
        for stem in stems.split():
            mine = found.setdefault(stem[:HEAD], {})
            mine[stem] = mine.get(stem, 0) | sense
    return {head: tuple(stems.items()) for head, stems in found.items()}


BY_HEAD = _by_head()
"""The stems under their first letters: a word is compared with few of them."""


def senses_of(word: str) -> int:
    """The senses of ``word`` (small letters), as bits; those of the longest stem."""
    best, found = 0, 0
    for stem, senses in BY_HEAD.get(word[:HEAD], ()):
        if len(stem) > best and (word == stem or word == f"{stem}s" or (len(stem) > HEAD and word.startswith(stem))):
            best, found = len(stem), senses
    return found
