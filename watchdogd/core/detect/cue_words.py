"""Words that show that a text wants something from its reader, in many languages: data of the drift rules."""

from __future__ import annotations

from typing import Final


class Cue:
    """The meta signs, as bits of an int."""

    NONE: Final = 0
    OVERRIDE: Final = 1
    NAMING: Final = 2
    SEQUENCE: Final = 4
    ADDRESS: Final = 8
    POSE: Final = 16
    URGENT: Final = 32
    SECRECY: Final = 64
    MARKUP: Final = 128
    INSTEAD: Final = 256
    LABEL: Final = 512
    REQUEST: Final = 1024
    """Please, must, "I want you to": weak by itself, and part of plain."""


def words(text: str) -> frozenset[str]:
    """The words in ``text``."""
    return frozenset(text.split())


OVERRIDE = words(
    "ignore ignoring disregard disregarding forget override overrides overriding "
    "neglect supersede supersedes abandon discard bypass cease ignoriere ignorieren "
    "ignoriert missachte vergiss vergessen ignorez ignorer oublie oubliez oublier "
    "ignora ignore ignorar ignoren olvida olvide olvidar dimentica dimenticare "
    "ignorare tralascia esqueça esquecer desconsidere negeer vergeet zignoruj "
    "ignoruj zapomnij pomiń игнорируй игнорируйте проигнорируй забудь забудьте "
    "yoksay unut ignorera glöm ignorér glem ignoruj abaikan"
)
EARLIER = words(
    "previous previously prior above earlier initial original preceding foregoing "
    "past existing current rest everything all beginning vorherige vorherigen "
    "vorigen bisherigen bisherige frühere früheren ursprünglichen alle précédentes "
    "précédents précédente antérieures toutes anteriores anterior previas previos "
    "todas precedenti precedente tutte anteriores vorige eerdere poprzednie "
    "wcześniejsze предыдущие предыдущих прежние все önceki tidigare tidligere "
    "předchozí sebelumnya"
)
NAMING = words(
    "instruction instructions task tasks order orders prompt prompts directive "
    "directives objective command commands assignment guideline guidelines anweisung "
    "anweisungen aufgabe aufgaben auftrag instruktion instruktionen consigne "
    "consignes tâche tâches demande instrucción instrucciones tarea tareas orden "
    "petición istruzione istruzioni compito compiti richiesta instrução instruções "
    "tarefa tarefas pedido instructie instructies opdracht taak taken instrukcja "
    "instrukcje polecenie polecenia zadanie zadania инструкция инструкции инструкций "
    "задача задачу задачи задание задания просьбу görev görevi talimat talimatları "
    "instruktioner uppgift uppgiften opgave opgaven úkol pokyny instruksi tugas "
    "завдання"
)
SEQUENCE = words(
    "before after afterwards afterward first firstly then once beforehand prior "
    "until bevor zuerst vorher zunächst danach anschließend nachdem avant d'abord "
    "ensuite après préalable antes primero después luego prima poi dopo innanzitutto "
    "primeiro depois voordat eerst daarna zanim najpierw potem прежде сначала перед "
    "затем после önce sonra innan först sedan først derefter nejprve předtím sebelum"
)
AFTER_SEQUENCE = words(
    "you continue continuing proceed proceeding answer answering solve solving "
    "complete completing respond responding doing do finish finishing anything else "
    "starting resume sie du fortfahren fortfährst erledigst vous tu continuer "
    "poursuivre te seguir continúes continuar resuelvas tu procedere continuare você "
    "prosseguir je verdergaat kontynuujesz продолжить продолжишь приступишь devam "
    "fortsätter"
)
ADDRESS = words(
    "ai assistant assistants llm llms agent agents chatbot chatbots bot bots copilot "
    "gpt gpt-3 gpt-4 gpt-4o gpt-5 chatgpt claude gemini llama mistral openai "
    "anthropic deepseek qwen grok ki assistent assistenten ia asistente assistente "
    "asystent asystencie asystenta agente modelo modell modèle ассистент помощник ии "
    "модель агент asistan asistanı yapay assistenten assistant asistent model asisten"
)
POSE = words(
    "system admin administrator administrators developer developers moderator root "
    "superuser operator supervisor headquarters systemnachricht "
    "administrateur administrador amministratore beheerder администратор система"
)
URGENT = words(
    "urgent urgently immediately important importantly asap critical crucial "
    "mandatory imperative essential required attention priority emergency instantly "
    "dringend wichtig wichtige sofort umgehend unverzüglich urgente immédiatement "
    "importante urgentemente inmediatamente subito immediatamente imediatamente "
    "belangrijk onmiddellijk pilne ważne natychmiast важно важное срочно немедленно "
    "acil önemli hemen viktigt omedelbart vigtigt důležité okamžitě penting segera"
)
SECRET_VERB = words(
    "tell telling mention mentioning inform informing ask asking reveal revealing "
    "notify notifying report reporting disclose say alert alerting confirm "
    "confirming confirmation warn warning erwähne erwähnen sage frage fragen "
    "informiere mentionne mentionnez dis demander menciones preguntes preguntar "
    "digas avisar menzionare chiedere dire avvisare mencione perguntar avisar "
    "vermeld vragen wspominaj pytaj mów упоминай сообщай спрашивай söyleme sorma "
    "nämn fråga"
)
NOT = words(
    "not never don't dont without no nicht niemals ohne kein pas jamais sans no "
    "nunca sin non mai senza não sem niet nooit zonder nie bez не никогда без inte "
    "utan ikke uden asla"
)
SECRETLY = words(
    "secretly silently quietly discreetly covertly heimlich discrètement secretamente segretamente тайно gizlice"
)
REQUEST = words(
    "please kindly must should shall pls bitte müssen musst sollst sollten veuillez "
    "merci prière devez dois devrais favor debes debe deben deberías cortesía favore "
    "devi dovete deve dovresti favor deve você gelieve alstublieft moet moeten "
    "proszę musisz należy powinieneś пожалуйста прошу должен должны необходимо нужно "
    "следует lütfen gerekiyor gerekir måste snälla vänligen venligst skal prosím "
    "musíš tolong silakan harap будь-ласка"
)
OUGHT_WORDS = words(
    "need needs needed have has ought want wants like ask asks asked require requires required request "
    "requested instruct instructed expect expected supposed appreciate appreciated grateful great helpful "
    "nice wonderful good ideal remember forget sure ensure able could can would will shall let let's task "
    "job step action is are be to time how why feel go advised necessary"
)
UNSPACED_CUES: tuple[tuple[str, int], ...] = tuple(
    (stem, cue)
    for cue, stems in (
        (Cue.OVERRIDE, "忽略 无视 無視 忘记 忘れて 무시 잊어 تجاهل انس अनदेखा"),
        (Cue.NAMING, "指令 指示 任务 任務 タスク 命令 지시 작업 명령 تعليمات مهمة المهمة निर्देश कार्य"),
        (Cue.SEQUENCE, "首先 之前 然后 之后 在此之前 まず 前に 後に その後 먼저 전에 후에 قبل أولا أولاً बाद पहले"),
        (Cue.ADDRESS, "助手 人工智能 模型 智能体 アシスタント エージェント 어시스턴트 에이전트 مساعد المساعد सहायक"),
        (Cue.POSE, "系统 管理员 システム 管理者 시스템 관리자 المسؤول"),
        (Cue.URGENT, "重要 紧急 立即 马上 至急 緊急 すぐに 중요 긴급 즉시 مهم عاجل فورا महत्वपूर्ण तुरंत"),
        (Cue.SECRECY, "不要告诉 不要提 不要询问 知らせないで 言わないで 말하지 알리지 لا تخبر"),
        (
            Cue.REQUEST,
            "请 必须 需要 务必 "
            "ください 下さい お願い 必要 해주세요 하세요 십시오 주세요 يرجى من فضلك يجب कृपया กรุณา בבקשה",
        ),
    )
    for stem in stems.split()
)

FILLERS = words(
    "and then also first firstly now finally next so please kindly just simply after "
    "afterwards instead secondly second third lastly but or - * • > 1 2 3 4 5 6 7 8 "
    "9 0 a b c step todo task action note important urgent quickly immediately again "
    "additionally furthermore moreover do to do: always directly 'please \"please go "
    "try help kindly, ok okay hey hi hello bitte und dann dann por favor s'il vous "
    "plaît per favore y e et en i и пожалуйста lütfen ve"
)
