"""A model's arguments held against a tool's schema: every problem in words the model can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from watchdogd.core.errors import ToolError
from watchdogd.core.events import Args
from watchdogd.ports import ToolSpec

_TYPES: Mapping[str, tuple[type, str]] = {
    "string": (str, "a string"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "array": (list, "a list"),
}


def checked(spec: ToolSpec, args: Args) -> None:
    """Lets ``args`` pass when they fit ``spec``'s schema.

    What is not in the schema is refused too: an argument nobody reads must not look as if it counted.

    Raises:
        ToolError: they do not fit; the text lists everything wrong with them.
    """
    problems = list(_problems(spec.schema, args))
    if problems:
        raise ToolError(f"{spec.name}: {'; '.join(problems)}", kind="invalid")


def _problems(schema: Mapping[str, object], args: Args) -> Iterator[str]:
    properties = schema["properties"]
    required = schema.get("required", ())
    if not isinstance(properties, Mapping) or not isinstance(required, list | tuple):
        raise TypeError("a tool's schema is an object's")
    for name in required:
        if name not in args:
            yield f"{name} is missing"
    strangers = sorted(set(args) - set(properties))
    if strangers:
        yield f"there is no argument {', '.join(strangers)}; there are: {', '.join(properties)}"
    for name, value in args.items():
        if name in properties:
            yield from _wrong(name, properties[name], value)


def _wrong(name: str, schema: Mapping[str, object], value: object) -> Iterator[str]:
    kind, words = _TYPES[str(schema["type"])]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{name} must be {words}"
        return
    if isinstance(value, str):
        yield from _wrong_text(name, schema, value)
    elif isinstance(value, list):
        most, items = schema.get("maxItems"), schema.get("items")
        if isinstance(most, int) and len(value) > most:
            yield f"{name} has {len(value)} items, {most} are the most"
        if isinstance(items, Mapping):
            for at, item in enumerate(value):
                yield from _wrong(f"{name}[{at}]", items, item)
    elif isinstance(value, int) and not isinstance(value, bool):
        least, most = schema.get("minimum"), schema.get("maximum")
        if isinstance(least, int) and value < least:
            yield f"{name} must be at least {least}"
        if isinstance(most, int) and value > most:
            yield f"{name} must be at most {most}"


def _wrong_text(name: str, schema: Mapping[str, object], value: str) -> Iterator[str]:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(value) < least:
        yield f"{name} must not be empty"
    if isinstance(most, int) and len(value) > most:
        yield f"{name} has {len(value)} characters, {most} are the most"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as why:
        yield f"{name} holds half a character at position {why.start} (a lone surrogate)"


def text_of(args: Args, name: str) -> str:
    """The string ``name`` of checked ``args``; empty when it is not given."""
    value = args.get(name, "")
    return value if isinstance(value, str) else ""


def number_of(args: Args, name: str, default: int) -> int:
    """The whole number ``name`` of checked ``args``."""
    value = args.get(name, default)
    return value if isinstance(value, int) else default


def flag_of(args: Args, name: str) -> bool:
    """Whether ``name`` is true in checked ``args``."""
    return args.get(name) is True
