"""Homes and workspaces that the daemon's account may not even look at."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from watchdogd.settings import roots

HIDDEN = Path("/home/hidden")


@pytest.fixture
def closed_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """``/home`` as systemd shows it under ProtectHome=: there, and closed."""
    really = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> object:
        if self.is_relative_to(HIDDEN):
            raise PermissionError(13, "Permission denied", str(self))
        return really(self, follow_symlinks=follow_symlinks)

    entry = pwd.struct_passwd(("anna", "x", 1000, 1000, "", str(HIDDEN), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry])
    monkeypatch.setattr(Path, "stat", stat)


@pytest.mark.usefixtures("closed_home")
def test_a_home_that_nobody_may_look_at_is_still_a_home() -> None:
    assert HIDDEN in roots.homes({})


@pytest.mark.usefixtures("closed_home")
def test_a_workspace_that_cannot_be_reached_is_one_sentence() -> None:
    found = list(roots.faults(HIDDEN / "work", Path("/var/lib/x"), homes=frozenset(), loaded=()))
    assert found == [f"{HIDDEN / 'work'} cannot be reached by this account"]
