"""Good work that looks like trouble, scripted whole: paging, refining a search, lists of things, games, watching.

``python -m tests.bench.everyday``: alarms by kind of work. Each kind is written in several tools and wordings; half of
the runs have times. None of them waits in a way that a tool's name gives away, unless that is what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from watchdogd.app.detectors import detectors
from watchdogd.core.events import Body, Event, ModelCalled, RunStarted, Text, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.health import Severity

SEEDS = 20
PEOPLE = ("Ada Berg", "Bo Lind", "Cem Polat", "Dora Kuhn", "Eva Stein", "Finn Haas", "Gil Roth", "Ida Meier", "Jo Park")
WORDS = (
    "harbour",
    "lantern",
    "meadow",
    "copper",
    "violin",
    "saddle",
    "orchid",
    "glacier",
    "pepper",
    "anchor",
    "thistle",
)
CITIES = ("Porto", "Gdansk", "Turin", "Lyon", "Bergen", "Cork", "Ghent", "Graz", "Malmo", "Split", "Tartu", "Brno")


class Work:
    """A run being written."""

    def __init__(self, seed: str, goal: str) -> None:
        self.rng = Random(seed)
        self.timed, self.at = self.rng.random() < 0.5, 1_790_000_000.0
        self.events: list[Event] = []
        self.put(RunStarted(goal=goal))
        self.put(UserSaid(text=Text.plain(goal)))

    def put(self, body: Body, after_s: float = 3.0) -> None:
        """One more event."""
        self.at += after_s
        self.events.append(Event(seq=len(self.events), body=body, at=self.at if self.timed else None))

    def call(
        self, tool: str, args: Mapping[str, object], answer: str, *, ok: bool | None = None, gap_s: float = 4
    ) -> None:
        """One more call; ``ok`` None is an outcome that the tool does not tell."""
        if self.rng.random() < 0.3:
            self.put(ModelCalled(text=Text.plain(self.rng.choice(("Next one.", "On to the next.", "Let me go on.")))))
        call = f"c{len(self.events)}"
        self.put(ToolIntended(call=call, tool=tool, args=args), gap_s)
        done = ToolFinished(call=call, tool=tool, result=Text.plain(answer))
        if ok is not None:
            done = ToolFinished(call=call, tool=tool, result=Text.plain(answer), outcome="ok" if ok else "error")
        self.put(done, self.rng.uniform(0.2, 2))


def paging(it: Work) -> None:
    """Pages of a list, by number, by offset, by cursor, or by calling for the next."""
    style, size = it.rng.randrange(4), it.rng.randint(8, 14)
    cursor = "start"
    for page in range(size):
        rows = "\n".join(f"{page * 5 + n}. {it.rng.choice(PEOPLE)} of {it.rng.choice(CITIES)}" for n in range(5))
        if style == 0:
            it.call("list_guests", {"page": page + 1}, f"Page {page + 1} of {size}\n{rows}")
        elif style == 1:
            it.call("query", {"sql": f"TABLE guests LIMIT 5 OFFSET {5 * page}"}, rows)
        elif style == 2:
            following = f"{it.rng.getrandbits(40):010x}"
            it.call("get_items", {"cursor": cursor}, f'{{"items": {rows.splitlines()}, "next": "{following}"}}')
            cursor = following
        else:
            it.call(
                "browser_scroll", {"direction": "down"}, f"Viewport shows rows {5 * page} to {5 * page + 5}\n{rows}"
            )


def refining(it: Work) -> None:
    """A search with other words until something comes, with dead ends."""
    tool = it.rng.choice(("search", "web_search", "find_documents", "lookup"))
    for n in range(it.rng.randint(6, 12)):
        words = " ".join(it.rng.sample(WORDS, it.rng.randint(1, 3)))
        hits = it.rng.choice((0, 0, 1, 3))
        nothing = it.rng.choice(("No results found.", "No results found.", f"Nothing for {words}"))
        found = "\n".join(
            f"{it.rng.choice(WORDS)} {it.rng.choice(CITIES)} guide {it.rng.randrange(99)}" for _ in range(hits)
        )
        it.call(tool, {"query": words}, found or nothing)
        if n % 3 == 2:
            it.call("open_page", {"url": f"https://guide.example/{it.rng.choice(WORDS)}/{n}"}, f"A page on {words} {n}")


def registering(it: Work) -> None:
    """One act for each of many people or things without numbers."""
    tool, name, answer = it.rng.choice(
        (
            ("invite_guest", "name", "invited"),
            ("look_up_visitor", "name", "cleared"),
            ("check_name", "name", "ok"),
            ("send_greeting", "to", "Message delivered."),
            ("add_label", "label", "true"),
            ("translate_word", "word", "stored in the glossary"),
            ("validate", "entry", '{"valid": true}'),
            ("register_city", "city", "Your entry has been received and will be shown on the map of the region."),
            ("screen", "text", ""),
        )
    )
    things = [f"{it.rng.choice(PEOPLE)} {it.rng.choice(WORDS)}" for _ in range(20)]
    for thing in dict.fromkeys(things):
        it.call(tool, {name: thing}, answer)


def edit_and_test(it: Work) -> None:
    """Edits and tests in turns; the tests' answers move now and then only."""
    runner = it.rng.choice(("npm test", "go test ./...", "cargo test -q", "mvn -q verify", "tox -q"))
    failed = it.rng.randint(3, 5)
    for n in range(10):
        line = it.rng.randrange(200)
        it.call(
            "str_replace",
            {"path": f"lib/{it.rng.choice(WORDS)}.x", "old": f"a{line}", "new": f"b{line}.{n}"},
            "Replaced.",
        )
        if n % 3 == 2 and failed:
            failed -= 1
        took = it.rng.uniform(1, 4)
        it.call("shell", {"command": runner}, f"{failed} failing, {20 - failed} passing ({took:.1f}s)", ok=failed == 0)


def same_view(it: Work) -> None:
    """A small view looked at after each act: a list that grows, a balance, a diff."""
    kind = it.rng.randrange(3)
    for n in range(9):
        word = it.rng.choice(WORDS)
        it.call("add_item", {"name": word, "amount": n + 2}, "added")
        if kind == 0:
            it.call("show_cart", {}, "\n".join(f"{m + 2} x thing {m}" for m in range(n + 1)))
        elif kind == 1:
            it.call("get_total", {}, f"{17 * (n + 1) + n * n} EUR")
        else:
            it.call("is_consistent", {}, "yes")


def playing(it: Work) -> None:
    """A game or a form: the same few moves, another position each time."""
    place = [4, 4]
    for n in range(20):
        move = it.rng.choice(("north", "south", "east", "west"))
        place[n % 2] += it.rng.choice((1, -1))
        seen = f"You are at {place[0]},{place[1]}. You see a {it.rng.choice(WORDS)} and a {it.rng.choice(WORDS)}."
        it.call("move", {"direction": move}, seen)


def watching(it: Work) -> None:
    """A thing that goes on is looked at until it is over, by a tool that does not sound like it, in good time."""
    style, steps = it.rng.randrange(8), it.rng.randint(8, 14)
    phases = ("ordered", "picked", "packed", "weighed", "labelled", "loaded", "under way", "at the border", "delivered")
    it.timed = True
    for n in range(steps):
        done = n * 100 // steps
        answer = (
            f"{done} of 100 crates unloaded",
            f"parcel is {phases[min(n, 8)]}",
            f'{{"rows": {900 * n + it.rng.randrange(500)}, "errors": 0, "table": "guests", "owner": "ops"}}',
            f"temperature {20 + 3 * n}.{it.rng.randrange(10)} of 80",
            f"{'=' * n}>{' ' * (steps - n)} {done}%",
            "\n".join(f"12:{m:02} crate {m} unloaded" for m in range(n + 1)),
            f"time left: {steps - n} min {it.rng.randrange(60)} s",
            f"{it.rng.randrange(3, 9)} cranes at work, {done} crates done, {it.rng.randrange(20, 30)} knots of wind",
        )[style]
        it.call("harbour", {"ship": "Thistle"}, answer, gap_s=it.rng.uniform(30, 60))
    it.call("sign_off", {"ship": "Thistle"}, "signed")


def reading_code(it: Work) -> None:
    """Files in parts, some of them again after an edit."""
    parts = {n: f"def part_{n}():\n    return {it.rng.randrange(999)}\n# {it.rng.choice(WORDS)}" for n in range(6)}
    for n in range(18):
        part = it.rng.randrange(6)
        it.call("view", {"path": "core.py", "lines": f"{part * 40}-{part * 40 + 40}"}, parts[part])
        if n % 2:
            parts[part] += f"\n# {n} {it.rng.choice(WORDS)}"
            it.call("edit", {"path": "core.py", "at": part * 40, "text": f"# {n}"}, "ok")


def asking_people(it: Work) -> None:
    """A person is asked and answers, turn by turn, with the same look-up each time."""
    for n in range(8):
        it.put(
            UserSaid(text=Text.plain(f"And what about {CITIES[n]}? I would like to go in {it.rng.choice(WORDS)} time."))
        )
        it.call("find_trains", {"to": CITIES[n]}, f"{n + 3} trains to {CITIES[n]}, first at {5 + n}:10")
        it.call("my_profile", {}, "Ada Berg, card 4, seat by the window, no meals")
        it.put(ModelCalled(text=Text.plain(f"There are {n + 3} trains to {CITIES[n]}. Which one do you want?")))


def retrying_differently(it: Work) -> None:
    """A build that fails for one reason after the other."""
    for n in range(7):
        word = WORDS[n]
        it.call("run", {"cmd": "make all"}, f"make: {word}.c:{it.rng.randrange(300)}: '{word}' undeclared", ok=False)
        it.call("run", {"cmd": f"sed -i 's/{word}/int {word}/' {word}.c"}, "")
        it.call("run", {"cmd": f"git diff --stat {word}.c"}, f" {word}.c | 2 +-")
    it.call("run", {"cmd": "make all"}, "built all", ok=True)


KINDS: dict[str, tuple[Callable[[Work], None], str]] = {
    "paging": (paging, "List all guests of the summer fair and count those of each town."),
    "refining a search": (refining, "Find guides about harbour, lantern, meadow, copper, violin and other old things."),
    "registering many": (registering, "Enter everybody of the list into the register, one after the other."),
    "edit and test": (edit_and_test, "Make the tests of the library pass."),
    "the same view": (same_view, "Fill the cart with what the kitchen needs and see that it stays consistent."),
    "playing": (playing, "Explore the map and find the way to the north gate."),
    "watching": (watching, "See the ship Thistle unloaded in the harbour and sign it off."),
    "reading code": (reading_code, "Understand core.py and comment each part of it."),
    "asking people": (asking_people, "Answer the traveller's questions about trains."),
    "retrying differently": (retrying_differently, "Make the old C sources compile with make all."),
}


def run() -> None:
    """Prints the table."""
    bank = detectors()
    for kind, (write, goal) in KINDS.items():
        loud: dict[str, int] = {}
        hits = 0
        for seed in range(SEEDS):
            it = Work(f"{kind} {seed}", goal)
            write(it)
            state, rules = bank.start(), set[str]()
            for event in it.events:
                state, found = bank.step(state, event)
                rules |= {one.rule for one in found if one.severity.rank >= Severity.WARN.rank}
            hits += bool(rules)
            for rule in rules:
                loud[rule] = loud.get(rule, 0) + 1
        print(f"{kind:<24}{hits:>4} of {SEEDS}  {', '.join(f'{rule} {count}' for rule, count in loud.items())}")


if __name__ == "__main__":
    run()
