"""Words for acts and things in many languages: the vocabulary of the drift rules, as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final


class Act:
    """Classes of acts as bits of an int; a word or name can be several.

    Plain ints: a flag enumeration cost 40 % of the whole rule.
    """

    NONE: Final = 0
    READ: Final = 1
    SEND: Final = 2
    PAY: Final = 4
    POST: Final = 8
    CREATE: Final = 16
    BOOK: Final = 32
    REMOVE: Final = 64
    UPDATE: Final = 128
    GRANT: Final = 256
    RUN: Final = 512
    SAY: Final = 1024
    VISIT: Final = 2048


SIDE_EFFECTS = Act.SEND | Act.PAY | Act.POST | Act.CREATE | Act.BOOK | Act.REMOVE | Act.UPDATE | Act.GRANT | Act.RUN

_VERBS: dict[int, str] = {
    Act.READ: "read get list search find fetch view show check look query retrieve browse count describe lookup see "
    "inspect summarize summarise review analyze analyse compare examine collect gather extract scan print "
    "display download",
    Act.VISIT: "visit open go navigate click access follow load call",
    Act.SEND: "send email e-mail mail message dm text forward reply respond notify contact submit deliver dispatch "
    "relay transmit write ping alert fax sms cc bcc return ship",
    Act.PAY: "pay transfer wire remit refund reimburse deposit donate buy purchase order subscribe spend charge tip "
    "settle withdraw lend fund",
    Act.POST: "post publish upload tweet announce broadcast put comment blog push leave",
    Act.CREATE: "create add make insert append generate schedule register plan draft compose save store set-up remind "
    "write build produce arrange organize organise prepare import attach",
    Act.BOOK: "book reserve rent hire reservation booking",
    Act.REMOVE: "delete remove erase wipe drop cancel purge unsubscribe kick ban revoke trash clear terminate destroy "
    "uninstall discard shred unshare block dismiss rid expel empty reject disable",
    Act.UPDATE: "fix repair implement refactor resolve solve debug improve rewrite patch upgrade migrate optimize "
    "optimise translate clean format update change modify edit set reset rename move adjust reschedule "
    "replace alter increase decrease correct switch configure enable raise lower swap convert assign mark "
    "redirect extend complete close accept",
    Act.GRANT: "share invite grant give authorize authorise allow expose disclose reveal permit provide hand leak "
    "promote admit enroll add",
    Act.RUN: "test benchmark train run execute install launch invoke eval deploy start trigger activate perform "
    "restart compile",
    Act.SAY: "say tell mention state recommend claim answer inform explain advise suggest assure convince promise",
}

_IRREGULAR: dict[str, str] = {
    "sent":
    "send"
,
    "paid"
:
    "pay"
,
    "made"
:
    "make"
,
    "wrote"
:
    "write"
,
    "written"
:
    "write"
,
    "bought"
:
    "buy"
,
    "gave"
:
    "give"
,
    "given": "give", "told": "tell", "said": "say", "ran": "run", "found": "find", "shown": "show", "got": "get",
    "spent": "spend", "lent": "lend", "went": "go", "saw": "see", "seen": "see", "built": "build", "left": "leave",
    "setting": "set", "putting": "put", "running": "run", "getting": "get", "dropped": "drop", "dropping": "drop",
    "cancelled": "cancel", "cancelling": "cancel", "modified": "modify", "modifies": "modify", "replied": "reply",
    "replies":
    "reply"
,
    "transferred"
:
    "transfer"
,
    "transferring"
:
    "transfer"
,
    "submitted"
:
    "submit"
,
    "submitting"
:
    "submit"
,
    "deletion": "delete", "removal": "remove", "payment": "pay", "purchased": "purchase", "creation": "create",
    "reservation":
    "reserve"
,
    "invitation"
:
    "invite"
,
    "cancellation"
:
    "cancel"
,
    "modification"
:
    "modify"
,
    "swapped"
:
    "swap"
,
    "wiped": "wipe", "banned": "ban", "kicked": "kick", "tipped": "tip", "planned": "plan", "planning": "plan",
    "forwarded":
    "forward"
,
    "notified"
:
    "notify"
,
    "notifies"
:
    "notify"
,
    "notification"
:
    "notify"
,
    "transmitted"
:
    "transmit"
,
    "remitted": "remit", "setup": "set-up", "publication": "publish", "registration": "register",
    "subscription": "subscribe", "execution": "execute", "installation": "install", "transaction": "pay",
    "donation": "donate", "removing": "remove", "emailed": "email", "texted": "text", "adding": "add",
}  # fmt: skip

_FOREIGN: dict[int, str] = {
    Act.READ: "lies lesen lese hol finde suche such zeige zeig prüfe prüfen überprüf lis lire "
    "cherche chercher trouve trouver montre vérifie vérifiez consulte lee leer busca "
    "buscar encuentra muestra revisa consulta leggi leggere cerca trova mostra "
    "controlla leia procure procura encontre mostre verifique lees zoek vind toon "
    "bekijk czytaj przeczytaj znajdź pokaż sprawdź прочитай прочитайте найди найдите "
    "покажи покажите проверь проверьте oku bul göster kontrol läs sök hitta visa læs "
    "find",
    Act.VISIT: "besuche besuchen besuch öffne öffnen klicke klick rufe visitez visite visiter "
    "ouvre ouvrez ouvrir cliquez clique visita visitar abre abra abrir clic visiti "
    "apri aprire clicca acesse acessar abra clique bezoek open klik odwiedź otwórz "
    "kliknij посети посетите посетить открой откройте открыть перейди перейдите "
    "ziyaret aç tıkla besök öppna besøg",
    Act.SEND: "antworte antworten beantworte réponds répondez répondre contesta conteste contestar responde responder "
    "rispondi rispondere responda antwoord beantwoord odpowiedz ответь ответьте ответить svara svar "
    "sende senden sendest schick schicke schicken schickst versende versenden "
    "verschicke leite weiterleiten weiterzuleiten gesendet geschickt gesandt "
    "zusenden zuzusenden envoie envoyez envoyer envoyé envoyée envoi transmets "
    "transmettez transmettre expédie transfère transférez adresse envía envíe envíen "
    "enviar enviado enviada envíale envíalo envia manda mande mandar reenvía reenvíe "
    "reenviar remite remitir invia inviare invii inviato inviata inviate manda "
    "mandare spedisci spedire inoltra inoltrare trasmetti envie envia enviar enviado "
    "enviada mande mandar encaminhe encaminhar remeta stuur sturen gestuurd verstuur "
    "versturen zend zenden verzend mail doorsturen wyślij wysłać wysłanie wysłany "
    "wysłana prześlij przesłać przekaż przekazać отправь отправьте отправить "
    "отправлено отправлен пошли пошлите послать перешли перешлите переслать отошли "
    "gönder gönderin göndermek gönderiniz gönderilmesi ilet iletin yolla skicka "
    "skickas sänd send sendes надішли надішліть надіслати odešli odešlete poslat "
    "pošli pošlete trimite trimiteți kirim kirimkan mengirim gửi",
    Act.PAY: "überweise überweisen überweist überwiesen überweisung zahle zahlen bezahle "
    "bezahlen transferiere kaufe kaufen virement vire virez virer paie payez payer "
    "paye verse versez verser achète achetez acheter transfère rembourse transfiere "
    "transfiera transferir transferencia transacción paga pague pagar abona compra "
    "compre comprar ingresa trasferisci trasferire bonifico bonifica effettua paga "
    "pagare versa acquista compra rimborsa transazione transfira transferir "
    "transferência pague pagar compre comprar transação betaal betalen overmaken "
    "maak boek koop transactie zapłać przelej przelew przelać kup opłać transakcję "
    "переведи переведите перевести перевод оплати оплатите оплатить заплати купи "
    "купите транзакцию öde ödeyin havale transfer aktar satın betala överför köp "
    "betal overfør køb plaťte zaplať převeď",
    Act.POST: "veröffentliche veröffentlichen poste posten lade hochladen publie publiez "
    "publier poste postez téléverse publica publique publicar sube suba subir "
    "pubblica pubblicare carica caricare publique publicar poste carregue publiceer "
    "plaats opublikuj zamieść опубликуй опубликуйте опубликовать размести разместите "
    "yayınla paylaş publicera publicer",
    Act.CREATE: "erstelle erstellen erstellt lege anlegen füge hinzufügen trage eintragen "
    "erzeuge plane planen crée créez créer ajoute ajoutez ajouter génère planifie "
    "planifiez organise ajoutée crea cree crear añade añada añadir agrega agregue "
    "agregar genera programa programe programar agenda agende crea creare aggiungi "
    "aggiungere genera pianifica programma crie criar adicione adicionar agende "
    "agendar gere marque maak aanmaken voeg toevoegen plan utwórz stwórz dodaj "
    "zaplanuj создай создайте создать добавь добавьте добавить запланируй "
    "запланируйте oluştur oluşturun ekle ekleyin planla skapa lägg opret tilføj "
    "vytvoř přidej",
    Act.BOOK: "buche buchen reserviere reservieren reservierung réserve réservez réserver "
    "réservation reserva reserve reservar prenota prenotare prenotazione reservar "
    "reserva boek boeken reserveer reserveren zarezerwuj rezerwację забронируй "
    "забронируйте забронировать rezervasyon rezerve ayırt boka reservera rezervuj",
    Act.REMOVE: "lösche löschen löscht gelöscht löschung entferne entfernen entfernt supprime "
    "supprimez supprimer supprimé efface effacez effacer retire retirez enlève "
    "annule annulez elimina elimine eliminar borra borre borrar suprime quita "
    "cancela cancele elimina eliminare cancella cancellare rimuovi rimuovere annulla "
    "exclua excluir apague apagar remova remover cancele verwijder verwijderen wis "
    "annuleer usuń usunąć skasuj anuluj удали удалите удалить сотри отмени отмените "
    "sil silin silmek kaldır iptal ta radera slet fjern smaž smažte odstraň hapus "
    "видали",
    Act.UPDATE: "ändere ändern geändert aktualisiere aktualisieren passe anpassen setze setzen "
    "bearbeite stelle modifie modifiez modifier change changez changer mets mettez "
    "remplace remplacez actualise cambia cambie cambiar modifica modifique modificar "
    "actualiza actualice actualizar establece reemplaza cambia cambiare modifica "
    "modificare aggiorna aggiornare imposta sostituisci altere alterar mude mudar "
    "modifique modificar atualize atualizar troque wijzig wijzigen verander pas "
    "update zmień zmienić zaktualizuj zmodyfikuj ustaw измени измените изменить "
    "поменяй смени смените обнови обновите değiştir değiştirin güncelle ändra "
    "uppdatera byt ændre opdater změň změňte ubah ganti зміни",
    Act.GRANT: "teile teilen gib lade einladen gewähre partage partagez partager invite invitez "
    "inviter donne donnez accorde comparte comparta compartir invita invite invitar "
    "concede otorga condividi condividere invita invitare concedi compartilhe "
    "compartilhar convide convidar conceda deel delen nodig uitnodigen geef "
    "udostępnij zaproś поделись поделитесь пригласи пригласите пригласить предоставь "
    "предоставьте davet paylaş ver dela bjud del inviter pozvi sdílej",
    Act.RUN: "führe ausführen ausgeführt starte starten installiere exécute exécutez exécuter "
    "lance lancez installe ejecuta ejecute ejecutar lanza instala esegui eseguire "
    "avvia installa execute executar instale inicie voer uitvoeren start installeer "
    "uruchom wykonaj zainstaluj выполни выполните запусти запустите установи "
    "установите çalıştır yükle kur kör installera kør spusť nainstaluj",
    Act.SAY: "sage sagen erzähle teile empfiehl dis dites dire raconte recommande recommandez "
    "di diga decir dile recomienda recomiende di' dire dica consiglia raccomanda "
    "diga dizer recomende zeg vertel raad powiedz poleć скажи скажите сказать сообщи "
    "порекомендуй söyle öner säg berätta rekommendera sig fortæl řekni doporuč",
}

_UNSPACED: dict[int, str] = {
    Act.READ: "阅读 读取 查看 搜索 查找 検索 確認して 読んで 표시 확인 검색",
    Act.VISIT: "访问 打开 点击 アクセス 開いて 訪問 クリック 방문 열어 클릭",
    Act.SEND: "发送 发给 寄给 寄送 转发 发到 送信 送って 転送 メールして 送付 "
    "보내 전송 전달 발송 أرسل إرسال ارسل أرسلي भेज ส่ง שלח",
    Act.PAY: "转账 汇款 付款 支付 购买 转给 汇给 振込 振り込 送金 支払 購入 "
    "송금 이체 결제 지불 구매 حول حوّل ادفع تحويل भुगतान ट्रांसफर โอน העבר",
    Act.POST: "发布 上传 张贴 投稿 公開 アップロード 게시 업로드 انشر नشر",
    Act.CREATE: "创建 添加 新建 建立 安排 作成 追加 登録 생성 만들 추가 등록 أنشئ أضف إنشاء बना जोड़ สร้าง צור",
    Act.BOOK: "预订 预定 预约 予約 예약 احجز حجز बुक จอง הזמן",
    Act.REMOVE: "删除 移除 取消 清除 削除 消去 삭제 제거 취소 احذف حذف हटा डिलीट ลบ מחק",
    Act.UPDATE: "修改 更改 更新 变更 改为 改成 変更 更新 修正 변경 수정 업데이트 바꿔 غير غيّر عدل تغيير बदल เปลี่ยน שנה",
    Act.GRANT: "分享 共享 邀请 授权 共有 招待 공유 초대 شارك ادع साझा แชร์",
    Act.RUN: "执行 运行 安装 実行 起動 インストール 실행 설치 نفذ شغل चला",
    Act.SAY: "告诉 推荐 伝えて 言って おすすめ 말해 알려 추천 قل أخبر कह",
}
"""Languages that set no spaces between words, or prefix them: looked for anywhere in a text that is not ASCII."""


def _inflected(verb: str) -> Iterable[str]:
    yield verb
    yield verb + "s"
    if verb.endswith("e"):
        yield verb + "d"
        yield verb[:-1] + "ing"
    elif verb.endswith("y") and verb[-2:-1] not in "aeiou":
        yield verb[:-1] + "ied"
        yield verb[:-1] + "ies"
        yield verb + "ing"
    else:
        yield verb + "ed"
        yield verb + "ing"
    if verb.endswith(("sh", "ch", "ss")):
        yield verb + "es"


def _inflections(verbs: str) -> Iterable[str]:
    for verb in verbs.split():
        yield from _inflected(verb)


def _lexicon() -> tuple[dict[str, int], frozenset[str], frozenset[str]]:
    acts: dict[str, int] = {}
    base: set[str] = set()
    foreign: set[str] = set()
    for act, verbs in _VERBS.items():
        for verb in verbs.split():
            base.add(verb)
            for form in _inflected(verb):
                acts[form] = acts.get(form, Act.NONE) | act
    for form, verb in _IRREGULAR.items():
        acts[form] = acts.get(form, Act.NONE) | acts[verb]
    english = frozenset(acts)
    for act, forms in _FOREIGN.items():
        for form in forms.split():
            if form not in english:
                foreign.add(form)
                acts[form] = acts.get(form, Act.NONE) | act
    return acts, frozenset(base), frozenset(foreign)


ACTS, BASE_VERBS, FOREIGN_VERBS = _lexicon()
"""Word to classes; base forms of English verbs; words of other languages."""

UNSPACED: tuple[tuple[str, int], ...] = tuple((stem, act) for act, stems in _UNSPACED.items() for stem in stems.split())

_THINGS: tuple[str, ...] = (
    "money payment transaction fund $ € £ bill rent amount bank iban invoice refund "
    "fee dollar euro usd eur cash salary price balance standing-order überweisung "
    "zahlung transaktion geld betrag virement paiement argent montant dinero pago "
    "transacción transferencia importe bonifico pagamento transazione denaro soldi "
    "importo dinheiro pagamento betaling płatność деньги платёж перевод para ödeme 钱 "
    "款 转账 交易 金額 お金 돈",
    "mail email e-mail inbox mailbox correo courriel posta почта письмо письма "
    "письмо wiadomość 邮件 电子邮件 メール 이메일 메일 بريد",
    "message dm chat channel text sms post note slack discord nachricht mensaje "
    "mensaje messaggio mensagem bericht wiadomość сообщение mesaj meddelande 消息 信息 "
    "メッセージ 메시지 رسالة",
    "event calendar meeting appointment reminder schedule invite termin kalender "
    "veranstaltung événement réunion calendrier evento reunión calendario riunione "
    "reunião vergadering wydarzenie spotkanie событие встреча календарь etkinlik "
    "toplantı möte 日历 事件 会议 予定 カレンダー 会議 일정 회의 캘린더",
    "file path document doc folder drive attachment spreadsheet directory content datei "
    "dokument ordner fichier document dossier archivo documento carpeta file "
    "cartella arquivo pasta bestand map plik файл документ папка dosya belge fil 文件 "
    "文档 ファイル 파일 문서 ملف",
    "user account profile member contact person people participant guest customer "
    "friend team benutzer konto utilisateur compte usuario cuenta utente account "
    "usuário conta gebruiker użytkownik konto пользователь пользователя аккаунт "
    "kullanıcı hesap 用户 账户 ユーザー アカウント 사용자 계정",
    "password passcode pin credential login passphrase secret token passwort "
    "kennwort mot-de-passe contraseña password senha wachtwoord hasło пароль şifre "
    "parola lösenord 密码 パスワード 비밀번호",
    "website webpage page url link site web blog webseite seite site página sitio "
    "sito pagina страница сайт sayfa 网页 网站 ページ サイト 웹",
    "hotel room accommodation stay suite zimmer chambre habitación camera quarto "
    "kamer pokój номер отель oda 酒店 房间 ホテル 호텔",
    "flight plane ticket airline flug vol vuelo volo voo",
    "car vehicle rental taxi",
    "restaurant table dinner lunch meal food menu",
    "order cart product item package shipment delivery",
    "address street city location phone info information detail adresse dirección indirizzo endereço адрес "
    "地址 住所 주소",
    "reservation booking reservierung réservation reserva prenotazione",
    "code repository branch commit pull-request issue script command program test",
    "permission access role right privilege",
    "database table record row query",
)


def _things() -> dict[str, int]:
    found: dict[str, int] = {}
    for at, names in enumerate(_THINGS):
        for name in names.split():
            for form in (name, name + "s", name + "es", name[:-1] + "ies" if name.endswith("y") else name):
                found[form] = found.get(form, 0) | (1 << at)
    return found


THINGS = _things()
"""Word to a bit per group of things that are spoken of with each other's names."""

UNSPACED_THINGS: tuple[tuple[str, int], ...] = tuple(
    (name, bit)
    for name, bit in THINGS.items()
    if name[-1] != "s" and any("\u0600" <= char <= "\u06ff" or char >= "\u2e80" for char in name)
)
"""The same for writing without spaces."""

MONEY = THINGS["money"]
WEB = THINGS["website"]
DOCUMENTS = THINGS["email"] | THINGS["message"] | THINGS["file"] | THINGS["website"]
"""Things that carry text."""
PERSONS = THINGS["person"]
"""Those who write texts."""
LOCAL_THINGS = THINGS["file"] | THINGS["code"]
"""Things an agent works on where it stands."""
WORK = frozenset(
    _inflections(
        "fix repair implement refactor resolve solve debug improve rewrite patch upgrade migrate optimize "
        "optimise install configure build develop finish program code port test"
    )
)
"""Verbs that ask for whatever edits and commands it takes."""
