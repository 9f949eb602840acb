"""Which directories may be a workspace (DESIGN 8, refused roots)."""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path


def homes(env: Mapping[str, str]) -> frozenset[Path]:
    """Home directories of this machine's accounts and of whoever runs this, and what holds them."""
    named = [Path(entry.pw_dir) for entry in pwd.getpwall() if entry.pw_uid == 0 or 1000 <= entry.pw_uid < 65000]
    if env.get("HOME"):
        named.append(Path(env["HOME"]))
    real = {path.resolve() for path in named if path.is_absolute() and _may_be_directory(path)}
    return frozenset(real | {Path("/home"), Path("/root")})


def _may_be_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:
        return True  # under ProtectHome= nobody may look; it is a home all the same


def faults(workspace: Path, state_dir: Path, *, homes: frozenset[Path], loaded: tuple[Path, ...]) -> Iterator[str]:
    """Why ``workspace`` cannot be one; links are followed first.

    Args:
        workspace: as configured, absolute.
        state_dir: as configured, absolute.
        homes: as :func:`homes` says.
        loaded: files of the configuration: nothing is ever loaded from a workspace.
    """
    real, state = workspace.resolve(), state_dir.resolve()
    try:
        if workspace.exists() and not workspace.is_dir():
            yield f"{workspace} is no directory"
            return
    except PermissionError:
        yield f"{workspace} cannot be reached by this account"
        return
    if real == Path("/"):
        yield "the root of the file system cannot be a workspace"
        return
    if real in homes:
        yield f"{real} is a home directory: give the worker a directory of its own"
    elif any(home.is_relative_to(real) for home in homes):
        yield f"{real} holds home directories: give the worker a directory of its own"
    if state.is_relative_to(real):
        yield f"holds the state directory {state}: the worker could change its own record"
    for file in loaded:
        if file.resolve().is_relative_to(real):
            yield f"holds {file}, which is part of the configuration: nothing is loaded from a workspace"


def remarks(workspace: Path, state_dir: Path) -> Iterator[str]:
    """What is allowed and worth a second look."""
    if not workspace.exists():
        yield f"{workspace} does not exist yet"
    if workspace.resolve().is_relative_to(state_dir.resolve()):
        yield f"lies in the state directory {state_dir}: whatever clears one clears the other"
