"""Values of the core to JSON and back, by their own type hints."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from watchdogd.core.errors import WireError

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type, or a union of types
    return TypeAdapter(kind)


def dump(value: object, kind: Any = None) -> Any:  # noqa: ANN401 - JSON data
    """``value`` (a dataclass of the core or plain JSON data) as JSON data."""
    if kind is None and (value is None or isinstance(value, str | int | float | bool | dict | list)):
        return value
    return _adapter(cast("Any", kind or type(value))).dump_python(value, mode="json")


def load(kind: type[T], data: object) -> T:
    """The value of type ``kind`` in ``data``; unknown fields of a newer minor version are ignored.

    Raises:
        WireError: ``data`` does not fit.
    """
    try:
        return cast("T", _adapter(cast("Any", kind)).validate_python(data))
    except ValidationError as why:
        first = why.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError("schema", f"{where or 'payload'}: {first['msg']}") from None
    except RecursionError:
        raise WireError("schema", "nested too deeply") from None


def schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, or a union of types
    """The JSON schema of ``kind``."""
    return _adapter(kind).json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
