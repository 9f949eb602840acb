"""ask: a question to people. It is described here; the worker's loop suspends the run for it, nothing runs."""

from __future__ import annotations

from collections.abc import Callable

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args, Impact
from watchdogd.ports import SandboxProfile, ToolSpec
from watchdogd.worker.tools.arguments import text_of
from watchdogd.worker.tools.call import Outcome, Prepared

ASK = "ask"
"""The name by which the loop knows it."""


class AskTool:
    """Asks the people in charge."""

    @property
    def spec(self) -> ToolSpec:
        """As the model is told of it."""
        return ToolSpec(
            name=ASK,
            description=(
                "Asks the people in charge a question and waits for their answer. Use it when you may not decide."
            ),
            schema={
                "type": "object",
                "properties": {
                    "question": {"type": "string", "minLength": 1, "maxLength": 4_000},
                    "options": {
                        "type": "array",
                        "items": {"type": "string", "minLength": 1, "maxLength": 200},
                        "maxItems": 6,
                    },
                },
                "required": ["question"],
                "additionalProperties": False,
            },
        )

    def prepare(self, args: Args) -> Prepared:
        """A question changes nothing. Raises: ToolError."""
        return Prepared(impact=Impact.READ, summary=f"ask: {' '.join(text_of(args, 'question').split())[:200]}")

    async def run(
        self, args: Args, profile: SandboxProfile | None, *, until_boot_s: float, launched: Callable[[], None]
    ) -> Outcome:
        """Never does anything.

        Raises:
            ToolError: always; a question that came here was not put to anybody.
        """
        del args, profile, until_boot_s
        launched()
        raise ToolError("the question was not put to anybody")
