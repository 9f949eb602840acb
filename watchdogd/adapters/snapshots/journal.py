"""Where a restore is, on disk: what a crash leaves behind is read here and finished forward."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum

from watchdogd.adapters.snapshots.manifests import write_file
from watchdogd.adapters.snapshots.packs import sync_directory
from watchdogd.core.errors import SnapshotError

_NAME = "restore.json"


class Phase(StrEnum):
    """How far a restore is."""

    STAGING = "staging"
    """Nothing of the workspace has changed: the way back is to remove what was staged."""
    APPLYING = "applying"
    """The way is forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One restore under way."""

    phase: Phase
    checkpoint: str
    quarantine: str
    root: str
    device: int
    inode: int
    """Device and inode of the root: another directory of that name is not the one that was begun."""
    staging: str = ""
    """Name of the staging directory in the root."""
    root_mode: int = 0
    """Permissions of the root before."""


def write(directory: str, journal: Journal) -> None:
    """Writes the journal, synced.

    Raises:
        OSError: the disk refuses.
    """
    write_file(f"{directory}/{_NAME}", json.dumps(asdict(journal)).encode("ascii"))


def read(directory: str) -> Journal | None:
    """The restore that is under way, if any.

    Raises:
        SnapshotError: there is a journal and it cannot be read; nobody knows what state the workspace is in.
    """
    try:
        with open(f"{directory}/{_NAME}", encoding="ascii") as file:  # noqa: PTH123 - one style of paths in this package
            found = json.load(file)
            return Journal(**{**found, "phase": Phase(found["phase"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SnapshotError(f"the journal {directory}/{_NAME} of an unfinished restore cannot be read") from error


def clear(directory: str) -> None:
    """Removes the journal: the restore is over.

    Raises:
        OSError: the disk refuses.
    """
    with suppress(FileNotFoundError):
        os.unlink(f"{directory}/{_NAME}")  # noqa: PTH108 - as above
        sync_directory(directory)
