# The same paths.
# ruff: noqa: PTH101, PTH102, PTH103, PTH123, S103
"""Random workspaces, random damage: a restore is exact, loses nothing and touches nothing else."""

import os
import shutil
import tempfile
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workspaces import Gardener, StillClock, acting_as, captured, picture, surroundings
from watchdogd.adapters.snapshots.store import SnapshotStore

CASES = int(os.environ.get("WATCHDOGD_TREE_CASES", "50"))
NOBODY = 65534


def cases(test):
    """How many, and no time limit per case: the machine may be busy."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=CASES, deadline=None, suppress_health_check=slow, derandomize=CASES <= 50)(test)


@pytest.fixture
def place():
    """A directory that everybody may enter, outside the tests' own."""
    path = tempfile.mkdtemp(prefix="watchdogd-trees-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def missed_paths(manifest):
    return {os.fsencode(path) for path, why in manifest.missed if why not in {"fifo", "socket", "device"}}


def gone_specials(was, now, restored):
    """Special files that were noted and are not there now must be named in the result."""
    lost = {path for path, facts in was.items() if facts[0] == "special" and path not in now}
    named = {os.fsencode(residue.path) for residue in restored.residue}
    return lost - named


def tried(place, seed, entries, damages, uid):
    base = tempfile.mkdtemp(dir=place)
    os.makedirs(f"{base}/around/other")
    for name in ("precious", "linked"):
        with open(f"{base}/around/other/{name}", "w") as file:
            file.write(name)
    root, store = f"{base}/around/ws", f"{base}/state"
    os.mkdir(root)
    os.mkdir(store)
    if uid:
        for path in (base, f"{base}/around", f"{base}/around/other", f"{base}/around/other/linked", root, store):
            os.chown(path, uid, uid)
    with acting_as(uid) if uid else nullcontext(), SnapshotStore(store, clock=StillClock()) as snapshots:
        gardener = Gardener(root, seed, outside=f"{base}/around/other", unreadable=bool(uid))
        gardener.grow(entries)
        good = picture(root)
        first = snapshots.take(root, id="good", deadline_s=1e9)
        assert first.complete, first.why
        gardener.damage(damages)
        around = surroundings(f"{base}/around", {root})
        bad = picture(root)
        second = snapshots.take(root, id="bad", deadline_s=1e9)
        assert second.complete, second.why

        back = snapshots.restore("good", root, quarantine_id="q1")
        now = picture(root)
        missed = missed_paths(first) | {os.fsencode(residue.path) for residue in back.residue}
        assert captured(now, missed) == captured(good, missed)
        assert not gone_specials(good, now, back)
        assert snapshots.diff("good", root).items == () or missed

        again = snapshots.restore("bad", root, quarantine_id="q2")
        now = picture(root)
        missed |= missed_paths(second) | {os.fsencode(residue.path) for residue in again.residue}
        assert captured(now, missed) == captured(bad, missed)
        assert snapshots.verify("good") == snapshots.verify("bad") == ()

        assert surroundings(f"{base}/around", {root}) == around
        everything = kept_anywhere(root, snapshots)
        lost = {facts[4] for facts in bad.values() if facts[0] == "file" and facts[1]} - everything
        assert not lost
    shutil.rmtree(base)


def kept_anywhere(root, snapshots):
    found = {facts[4] for facts in picture(root).values() if facts[0] == "file"}
    for id_ in snapshots.quarantines():
        for thing in snapshots.quarantined(id_).things:
            found |= {facts[4] for facts in picture(thing.lies_in).values() if facts[0] == "file"}
    return found


@cases
@given(
    seed=st.integers(0, 2**32),
    entries=st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(0, 2_000 if CASES > 50 else 300)),
    damages=st.integers(0, 30),
)
def test_a_restore_is_exact_and_reversible_and_stays_inside(place, seed, entries, damages):
    tried(place, seed, entries, damages, uid=0)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as somebody else")
@cases
@given(seed=st.integers(0, 2**32), entries=st.integers(0, 80), damages=st.integers(0, 30))
def test_a_restore_without_privileges_is_exact_too(place, seed, entries, damages):
    tried(place, seed, entries, damages, uid=NOBODY)
