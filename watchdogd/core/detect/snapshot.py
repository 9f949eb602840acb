"""Detector states as bytes and back, without running anything that is in the bytes."""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import cast

PACKAGE = "watchdogd.core."
"""Only dataclasses and enumerations of these modules come back."""


def encoded(value: object) -> object:
    """``value`` as JSON values; every JSON object in it is a tag of this module.

    Raises:
        TypeError: something that is not plain data.
    """
    if value is None or (isinstance(value, (bool, str)) and not isinstance(value, Enum)):
        return value
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Enum):
        return {"e": _name(type(value)), "v": encoded(value.value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {"c": _name(type(value)), "f": [encoded(getattr(value, one.name)) for one in fields(value)]}
    raise TypeError(f"a detector's state may not hold a {type(value).__name__}")


def decoded(value: object) -> object:
    """What ``encoded`` was given.

    Raises:
        ValueError: not of this module's making, or a class that is not plain data of the core.
    """
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    for tag, read in _READERS.items():
        if tag in value:
            return read(value)
    raise ValueError("a snapshot with an unknown tag")


def decoded_safely(value: object) -> object:
    """What ``encoded`` was given, for a ``value`` of anybody's making.

    Raises:
        ValueError: not a snapshot.
    """
    try:
        return decoded(value)
    except (KeyError, TypeError, AttributeError, RecursionError) as why:
        raise ValueError(f"not a snapshot: {why!r}") from why


def _name(cls: type) -> str:
    if not f"{cls.__module__}.".startswith(PACKAGE):
        raise TypeError(f"a detector's state may not hold a {cls.__module__}.{cls.__qualname__}")
    return f"{cls.__module__}:{cls.__qualname__}"


def _class(name: object) -> type:
    module_name, _, qualified = str(name).partition(":")
    module = sys.modules.get(module_name)
    if not module_name.startswith(PACKAGE) or module is None or not qualified.isidentifier():
        raise ValueError(f"a snapshot may not hold a {name}")
    cls = vars(module).get(qualified)
    if not isinstance(cls, type) or cls.__module__ != module_name:
        raise ValueError(f"a snapshot may not hold a {name}")
    return cls


def _float(value: object) -> object:
    number = cast("float", value)
    return number if math.isfinite(number) else {"n": repr(number)}


def _items(values: object) -> list[object]:
    return [encoded(one) for one in cast("list[object]", values)]


def _sorted(values: object) -> list[object]:
    return sorted(_items(values), key=lambda one: json.dumps(one))


def _pairs(values: object) -> list[object]:
    return [[encoded(key), encoded(one)] for key, one in cast("dict[object, object]", values).items()]


_WRITERS: dict[type, Callable[[object], object]] = {
    int: lambda value: value,
    float: _float,
    list: _items,
    tuple: lambda value: {"t": _items(value)},
    dict: lambda value: {"d": _pairs(value)},
    OrderedDict: lambda value: {"o": _pairs(value)},
    set: lambda value: {"s": _sorted(value)},
    frozenset: lambda value: {"z": _sorted(value)},
    deque: lambda value: {"q": _items(value), "m": cast("deque[object]", value).maxlen},
    bytes: lambda value: {"b": cast("bytes", value).hex()},
    array: lambda value: {"a": cast("array[float]", value).typecode, "v": _items(value)},
}


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a list is missing")
    return [decoded(one) for one in value]


def _mapping(value: object) -> dict[object, object]:
    if not isinstance(value, list):
        raise TypeError("a list of pairs is missing")
    return {decoded(key): decoded(one) for key, one in value}


def _instance(value: dict[str, object]) -> object:
    cls = _class(value["c"])
    if not is_dataclass(cls):
        raise ValueError(f"a snapshot may not hold a {value['c']}")
    names, values = fields(cls), _list(value["f"])
    if len(names) != len(values):
        raise ValueError(f"{value['c']} has other fields than the snapshot")
    made = object.__new__(cls)  # never its constructor: nothing of the class runs
    for one, content in zip(names, values, strict=True):
        object.__setattr__(made, one.name, content)
    return made


def _enumeration(value: dict[str, object]) -> object:
    cls = _class(value["e"])
    if not issubclass(cls, Enum):
        raise ValueError(f"a snapshot may not hold a {value['e']}")
    return cls(decoded(value["v"]))


def _numbers(value: dict[str, object]) -> object:
    code = value["a"]
    if code not in ("q", "d"):
        raise ValueError(f"a snapshot may not hold an array of {code}")
    numbers = _list(value["v"])
    if not all(isinstance(one, (int, float)) for one in numbers):
        raise ValueError("an array of a snapshot holds something that is no number")
    try:
        return array(str(code), cast("list[float]", numbers))
    except OverflowError as why:
        raise ValueError(f"not a snapshot: {why!r}") from why


_READERS: dict[str, Callable[[dict[str, object]], object]] = {
    "c": _instance,
    "e": _enumeration,
    "t": lambda value: tuple(_list(value["t"])),
    "d": lambda value: _mapping(value["d"]),
    "o": lambda value: OrderedDict(_mapping(value["o"])),
    "s": lambda value: set(_list(value["s"])),
    "z": lambda value: frozenset(_list(value["z"])),
    "q": lambda value: deque(_list(value["q"]), maxlen=cast("int | None", value["m"])),
    "b": lambda value: bytes.fromhex(str(value["b"])),
    "a": _numbers,
    "n": lambda value: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[str(value["n"])],
}
