"""``watchdogd init DIR``: a configuration to begin with."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from watchdogd.commands.check import refuse
from watchdogd.core.errors import ConfigError, Problem
from watchdogd.settings import model
from watchdogd.settings.load import load
from watchdogd.settings.reference import schema_text

STARTER = Path(model.__file__).parent / "starter.toml"


def files() -> dict[str, str]:
    """What ``init`` writes: name to text."""
    return {"watchdogd.toml": STARTER.read_text(encoding="utf-8"), "watchdogd.schema.json": schema_text()}


def written(directory: Path, *, force: bool) -> tuple[list[Path], list[Path]]:
    """Writes the starter files into ``directory``; returns those written and those that were already so.

    Raises:
        ConfigError: a file there says something else and ``force`` is not set, or ``directory`` cannot be written;
            in the first case nothing was written.
    """
    texts = {directory / name: text for name, text in files().items()}
    try:
        same = [path for path, text in texts.items() if path.is_file() and path.read_text("utf-8", "replace") == text]
        in_the_way = [path for path in texts if path not in same and (path.exists() or path.is_symlink())]
        if in_the_way and not force:
            text = "exists and is not what init would write; --force replaces it"
            raise ConfigError([Problem(file=str(path), line=0, key="", text=text) for path in in_the_way])
        for part in ("workspace", "state"):
            (directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        new = [path for path in texts if path not in same]
        for path in new:
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_text(texts[path], encoding="utf-8")
            fresh.replace(path)
    except OSError as why:
        problem = Problem(
            file=str(why.filename or directory), line=0, key="", text=f"cannot be written: {why.strerror}"
        )
        raise ConfigError([problem]) from None
    return new, same


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the configuration shall live.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented configuration to begin with, and make the directories it names."""
    try:
        new, same = written(directory, force=force)
        loaded = load(directory / "watchdogd.toml", env=dict(os.environ))
    except ConfigError as why:
        raise refuse(why) from None
    for path in new:
        print(f"wrote {path}")
    for path in same:
        print(f"left  {path} (unchanged)")
    names = [one.name for one in loaded.settings.missions]
    print(f"""
Next:
  1. put the files of the job into {directory / "workspace"}, the only directory the worker can write
  2. say in {directory / "watchdogd.toml"} what is to be reached; the mission `{names[0]}` runs as it stands
  3. cd {shlex.quote(str(directory))} && watchdogd check
  4. export ANTHROPIC_API_KEY=...     (or a systemd credential; never in the file)
  5. watchdogd run                    and there, in another terminal: watchdogd run-mission {names[0]}""")
