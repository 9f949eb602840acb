"""Two published loop detectors, their rules written afresh from their documented behaviour, without a language model.

OpenHands' StuckDetector: after the newest user message, 4 equal actions with equal observations, 3 equal actions that
all fail, 3 equal messages, or 6 steps of A, B, A, B, A, B. An action includes the thought said with it.
gemini-cli's loop service: 5 equal calls in a row (results are never looked at), cycles of up to 5 calls made 5 times
over, or a chunk of 50 characters 10 times close together in one message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from watchdogd.core.events import Event, ModelCalled, ToolFinished, ToolIntended, UserSaid
from watchdogd.core.ids import canonical


@dataclass
class OpenHands:
    """The rules of ``StuckDetector``."""

    steps: list[tuple[str, str, bool]] = field(default_factory=list)
    """(action with its thought, observation, it failed), since the user spoke."""
    said: list[str] = field(default_factory=list)
    thought: str = ""
    open: dict[str, str] = field(default_factory=dict)

    def sees(self, event: Event) -> bool:
        """Takes one event in; whether the run counts as stuck now."""
        match event.body:
            case UserSaid():
                self.steps, self.said, self.thought = [], [], ""
            case ModelCalled(text=text):
                self.thought = text.shown
                self.said.append(text.shown)
            case ToolIntended(call=call, tool=tool, args=args):
                self.open[call] = f"{self.thought}\0{tool}\0{canonical(dict(args))}"
                self.thought, self.said = "", []
            case ToolFinished(call=call, outcome=outcome, result=result):
                self.steps = [*self.steps[-5:], (self.open.pop(call, ""), result.shown, outcome == "error")]
                return self._stuck()
            case _:
                pass
        return len(self.said) >= 3 and len(set(self.said[-3:])) == 1

    def _stuck(self) -> bool:
        last = self.steps
        if len(last) >= 4 and len({step[:2] for step in last[-4:]}) == 1:
            return True
        if len(last) >= 3 and len({step[0] for step in last[-3:]}) == 1 and all(step[2] for step in last[-3:]):
            return True
        pairs = [step[:2] for step in last]
        return (
            len(pairs) == 6 and pairs[0] != pairs[1] and pairs[0::2] == [pairs[0]] * 3 and pairs[1::2] == [pairs[1]] * 3
        )


@dataclass
class Gemini:
    """The rules of the loop service."""

    calls: list[str] = field(default_factory=list)

    def sees(self, event: Event) -> bool:
        """Takes one event in; whether the run counts as looping now."""
        match event.body:
            case UserSaid():
                self.calls = []
            case ToolIntended(tool=tool, args=args):
                self.calls = [*self.calls[-24:], f"{tool}:{canonical(dict(args))}"]
                return any(self._cycle(period) for period in range(1, 6))
            case ModelCalled(text=text):
                return _chants(text.shown)
            case _:
                pass
        return False

    def _cycle(self, period: int) -> bool:
        last = self.calls[-5 * period :]
        return len(last) == 5 * period and all(last[at] == last[at % period] for at in range(len(last)))


def _chants(text: str, chunk: int = 50, times: int = 10) -> bool:
    places: dict[str, list[int]] = {}
    for at in range(max(0, min(len(text), 5_000) - chunk + 1)):
        found = places.setdefault(text[at : at + chunk], [])
        found.append(at)
        if len(found) >= times and found[-1] - found[-times] <= (times - 1) * 5 * chunk:
            periods = {text[one:other] for one, other in zip(found[-times:], found[-times + 1 :], strict=False)}
            if len(periods) <= times // 2:
                return True
    return False


def first_alarm(detector: OpenHands | Gemini, events: Iterable[Event]) -> int | None:
    """Sequence number of the event at which ``detector`` speaks first."""
    return next((event.seq for event in events if detector.sees(event)), None)
