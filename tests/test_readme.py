"""What README and the docs show is there: commands with their options, files, make targets, configuration."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer
import typer.main
from typer.core import TyperGroup

from watchdogd.cli import COMMANDS
from watchdogd.settings.load import load

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
PAGES = (README, *sorted((REPOSITORY / "docs").glob("*.md")))
COMMAND = re.compile(
    r"(?:^[$#] |`)(?:sudo -u watchdogd )?(?:/opt/watchdogd/bin/)?watchdogd ([a-z][^`\n#]*)", re.MULTILINE
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in COMMAND.finditer(page.read_text(encoding="utf-8")):
            yield page.name, found[1].strip()


def cli() -> Mapping[str, set[str]]:
    """Every command with its options."""
    fresh = typer.Typer()
    for name, (module, function, _) in COMMANDS.items():
        fresh.command(name)(getattr(importlib.import_module(f"watchdogd.commands.{module}"), function))
    group = typer.main.get_command(fresh)
    assert isinstance(group, TyperGroup)
    return {
        name: {"--help"} | {opt for one in command.params for opt in (*one.opts, *one.secondary_opts)}
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_a_command_that_is_shown_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line.replace("…", "X").replace("[", "").replace("]", ""))
    known = cli()
    assert words[0] in known, f"{page} shows {line!r}"
    unknown = {word.partition("=")[0] for word in words[1:] if word.startswith("-")} - known[words[0]]
    assert not unknown, f"{page} shows {line!r}"


def test_the_readme_shows_the_commands_a_person_needs() -> None:
    shown = {line.split()[0] for page, line in commands() if page == "README.md"}
    assert shown >= {"demo", "init", "check", "run", "status", "watch", "escalations", "approve", "pause", "resume"}
    assert shown >= {"replay", "bench", "drill", "level", "run-mission"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.(?:py|sh))", page.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


def test_the_make_targets_that_are_shown_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    shown = {name for page in PAGES for name in re.findall(r"(?:\$ |`)make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert {"run", "test"} <= shown
    assert [name for name in sorted(shown) if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_the_configuration_that_is_shown_loads_and_is_short(tmp_path: Path) -> None:
    text = next(
        block
        for block in re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
        if "[missions." in block
    )
    assert len(text.splitlines()) <= 30
    path = tmp_path / "watchdogd.toml"
    path.write_text(text, encoding="utf-8")
    (tmp_path / "workspace").mkdir()
    assert [one.name for one in load(path, env={}).settings.missions] == ["weekly"]


def test_the_index_of_decisions_lists_each_once() -> None:
    directory = REPOSITORY / "docs" / "decisions"
    listed = LINK.findall((directory / "000-index.md").read_text(encoding="utf-8"))
    records = sorted(path.name for path in directory.glob("*.md") if not path.name.startswith("000"))
    assert listed == records
