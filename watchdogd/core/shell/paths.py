"""Paths as a command names them: plain string arithmetic, no file system."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

UNKNOWN = "\0"
"""Stands in a word for a part that only running the command would tell; NUL cannot occur in a real word."""


def normal(path: str) -> str:
    """``path`` without ``.``, doubled slashes and resolvable ``..``; absolute stays absolute, ``~`` stays ``~``."""
    if path and path[0] != "." and path[-1] != "/" and "//" not in path and "/." not in path:
        return path
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if parts and parts[-1] not in ("..", "~") and UNKNOWN not in parts[-1]:
                parts.pop()
                continue
            if rooted and not parts:
                continue
        parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or ("/" if rooted else ".")


def joined(cwd: str, path: str) -> str:
    """``path`` as seen from ``cwd``."""
    if path.startswith(("/", "~", UNKNOWN)) or not cwd:
        return normal(path)
    return normal(f"{cwd}/{path}")


def beneath(path: str, workspace: str) -> str:
    """``path`` relative to ``workspace`` when it lies inside it, else ``path``; ``.`` is the workspace itself."""
    root = normal(workspace) if workspace else ""
    if root and path == root:
        return "."
    if root and root != "/" and path.startswith(root + "/"):
        return path[len(root) + 1 :]
    return path


def outside(path: str, workspace: str) -> bool:
    """Whether ``path`` (relative to ``workspace`` when inside) leads out of it; unknown parts count as inside.

    The scratch places every program may use (``/tmp``, ``/dev/null`` and the standard streams) are not outside.
    """
    if not workspace or path.startswith(UNKNOWN):
        return False
    if path.startswith("/"):
        return not path.startswith(SCRATCH) and path not in ("/tmp", "/var/tmp")  # noqa: S108 - named, not used
    return path.startswith(("~", "../")) or path == ".."


SCRATCH = ("/tmp/", "/var/tmp/", "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/dev/tty", "/dev/shm/")  # noqa: S108 - named, not used
"""Where writing is nobody's loss."""


SCRATCH_PLACE = f"/tmp/tmp.{UNKNOWN}"  # noqa: S108 - named, not used
"""A new place that ``mktemp`` and its like make."""


def touches(path: str, protected: str, *, whole_tree: bool = False, surely: bool = False) -> bool:
    """Whether changing ``path`` may change something at or below ``protected``.

    ``whole_tree``: the call takes everything below ``path`` with it (``rm -r``, ``mv``), so that an ancestor of
    ``protected`` counts too. A part that is unknown or a pattern matches whatever it might stand for; with ``surely``
    what is unknown matches nothing, and a tree narrowed to a name (``find -name``) only what has that name.
    """
    mine, theirs = normal(path).split("/"), normal(protected).split("/")
    if mine == ["."]:
        return whole_tree
    if "*" in protected and _covered("/".join(mine), "/".join(theirs)):
        return True
    for at, part in enumerate(theirs):
        if at >= len(mine):
            return whole_tree
        if surely and (mine[at] == "**" or UNKNOWN in mine[at]):
            return mine[at] == "**" and (len(mine) == at + 1 or fnmatchcase(theirs[-1], mine[-1]))
        if mine[at] == "**" or UNKNOWN in mine[at]:
            return True
        if not (mine[at] == part or fnmatchcase(part, mine[at]) or fnmatchcase(mine[at], part)):
            return False
    return True


def _covered(path: str, pattern: str) -> bool:
    """Whether a pattern whose star stands for any number of directories, as in a policy's denials, names ``path``."""
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")


def any_touched(
    paths: Sequence[str], protected: Sequence[str], *, whole_tree: bool = False, surely: bool = False
) -> tuple[str, ...]:
    """The members of ``protected`` that a change of ``paths`` may reach, or ``surely`` reaches."""
    return tuple(
        rule for rule in protected if any(touches(path, rule, whole_tree=whole_tree, surely=surely) for path in paths)
    )
