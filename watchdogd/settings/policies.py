"""Policies by name or file, as layers below the configuration's own ``[policy]``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from watchdogd.core.errors import Problem
from watchdogd.core.spelling import did_you_mean
from watchdogd.settings.layers import Layer, Origin, file_layer, merged, origin_of
from watchdogd.settings.positions import KeyPath

SHIPPED = Path(__file__).parent / "policies"
DEFAULT_POLICY = "suggest"


def shipped() -> tuple[str, ...]:
    """The names of the policies that come with watchdogd."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def spread(layer: Layer) -> Layer:
    """``layer`` with ``policy = "NAME"`` written as the table it stands for."""
    name = layer.data.get("policy")
    if not isinstance(name, str):
        return layer
    origins = {**layer.origins, ("policy", "base"): layer.origins.get(("policy",), Origin(kind="default"))}
    return Layer(data={**layer.data, "policy": {"base": name}}, origins=origins)


def _base(layers: Sequence[Layer]) -> object:
    policy = merged(layers).get("policy") if layers else None
    return policy.get("base") if isinstance(policy, dict) else None


def _named(name: object, said_at: Origin, seen: tuple[str, ...] = ()) -> tuple[list[Layer], list[Problem]]:
    """The shipped policy ``name`` below which everything else stands, with the one it changes in turn."""
    if not isinstance(name, str) or name not in shipped():
        known = ", ".join(shipped())
        text = f"no shipped policy {name!r}; there are {known}{did_you_mean(str(name), shipped())}"
        return [], [said_at.problem("policy.base", text)]
    if name in seen:
        return [], [said_at.problem("policy.base", f"policy {name!r} is based on itself")]
    layer = file_layer(SHIPPED / f"{name}.toml", below=("policy",), kind="policy")
    if isinstance(layer, Problem):
        return [], [layer]
    below: list[Layer] = []
    problems: list[Problem] = []
    if (base := _base([layer])) is not None:
        below, problems = _named(base, origin_of([layer], ("policy", "base")), (*seen, name))
    return [*below, layer], problems


def policy_layers(
    layers: Sequence[Layer], policy_file: Path | None, said_at: Origin
) -> tuple[list[Layer], list[Problem]]:
    """What stands below ``layers``, the configuration's own: the shipped policy, then ``policy_file``."""
    own = _base(layers)
    if policy_file is None:
        return _named(DEFAULT_POLICY if own is None else own, origin_of(layers, ("policy", "base")))
    problems = []
    if own is not None:
        text = "a policy_file is set as well; write the base into that file"
        problems.append(origin_of(layers, ("policy", "base")).problem("policy.base", text))
    layer = file_layer(policy_file, below=("policy",))
    if isinstance(layer, Problem):
        return [], [*problems, said_at.problem("policy_file", f"{layer.file}: {layer.text}"), *_more(layer)]
    base = _base([layer])
    below, more = _named(DEFAULT_POLICY if base is None else base, origin_of([layer], ("policy", "base")))
    return [*below, layer], [*problems, *more]


def _more(problem: Problem) -> list[Problem]:
    return [problem] if problem.line else []


def with_all_denials(data: dict[str, object], layers: Sequence[Layer]) -> Layer | None:
    """The denials of every layer as one list: a layer adds to those below it and never takes one away."""
    path: KeyPath = ("policy", "denials")
    denials: list[object] = []
    origins: dict[KeyPath, Origin] = {}
    for layer in layers:
        policy = layer.data.get("policy")
        own = policy.get("denials") if isinstance(policy, dict) else None
        if not isinstance(own, list):
            continue
        origins[path] = origin_of([layer], path)
        for index, denial in enumerate(own):
            for place, origin in layer.origins.items():
                if place[:3] == (*path, index):
                    origins[*path, len(denials), *place[3:]] = origin
            denials.append(denial)
    policy = data.get("policy")
    if not isinstance(policy, dict) or not isinstance(policy.get("denials"), list):
        return None
    cast("dict[str, object]", policy)["denials"] = denials
    return Layer(data={}, origins=origins)
