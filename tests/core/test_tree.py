"""Trees as values: what changed, and the steps that undo it."""

import json
from dataclasses import replace
from typing import assert_never

from hypothesis import given
from hypothesis import strategies as st

from watchdogd.core.changes import Changes, shown
from watchdogd.core.tree import (
    HARD_LINK,
    Change,
    Entry,
    Kind,
    Missed,
    PutFile,
    PutLink,
    PutTree,
    Quarantine,
    Residue,
    Rights,
    SetMode,
    Undoing,
    changes,
)

ROOT = Rights(privileged=True)


class Shelf:
    """Directories by ref, as a store would hold them."""

    def __init__(self):
        self.trees = {}

    def load(self, ref):
        return self.trees[ref]

    def entry(self, name, node):
        """A node is content, a list (link), a Missed, or (mode, {name: node})."""
        match node:
            case Missed():
                return Entry(name, Kind.OTHER, 0o600, 0, 0, 0, node.value)
            case str():
                return Entry(name, Kind.FILE, 0o644, 0, 0, len(node), node)
            case [target]:
                return Entry(name, Kind.LINK, 0o777, 0, 0, 0, target)
            case (int(mode), dict(children)):
                tree = {child: self.entry(child, inner) for child, inner in children.items()}
                ref = json.dumps(sorted(str(entry) for entry in tree.values()))
                self.trees[ref] = tree
                return Entry(name, Kind.DIR, mode, 0, 0, 0, ref)
            case _:
                raise AssertionError(node)


NAMES = st.sampled_from(["a", "b", "c", "é\n"])
LEAVES = st.one_of(
    st.sampled_from(["", "x", "y"]),
    st.sampled_from([("t",), ("u",)]).map(list),
    st.sampled_from([Missed.FIFO, Missed.SOCKET]),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from([0o755, 0o555]), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
FOLDERS = st.tuples(st.sampled_from([0o755, 0o700]), st.dictionaries(NAMES, NODES, max_size=4))


def flat(shelf, entry, path=""):
    """Every path and what is there."""
    found = {path: replace(entry, name="", ref="" if entry.kind is Kind.DIR else entry.ref)}
    if entry.kind is Kind.DIR:
        for name, inner in shelf.load(entry.ref).items():
            found |= flat(shelf, inner, f"{path}/{name}" if path else name)
    return found


def below(path, seen):
    return [other for other in seen if other == path or other.startswith(path + "/")]


def applied(shelf, seen, step):
    """What a step does to a flat workspace; fails where a real one would."""
    match step:
        case Quarantine(path):
            for other in below(path, seen):
                del seen[other]
        case PutFile(path, entry, was) | PutLink(path, entry, was):
            assert (path in seen) == (was is not None)
            assert path.rpartition("/")[0] in seen
            seen[path] = replace(entry, name="")
        case PutTree(path, entry):
            assert path not in seen
            inside = {inner: facts for inner, facts in flat(shelf, entry, path).items() if facts.kind is not Kind.OTHER}
            seen |= inside
        case SetMode(path, entry):
            seen[path] = replace(seen[path], mode=entry.mode)
        case Residue():
            pass
        case _:
            assert_never(step)


@given(FOLDERS, FOLDERS)
def test_the_steps_lead_to_the_target_or_say_where_not(wanted, had):
    shelf = Shelf()
    target, present = shelf.entry("", wanted), shelf.entry("", had)
    seen, left = flat(shelf, present), set()
    for step in Undoing(shelf.load, ROOT).steps(target, present):
        applied(shelf, seen, step)
        if isinstance(step, Residue):
            left.add(step.path)
    want = {path: facts for path, facts in flat(shelf, target).items() if path not in left}
    assert {path: facts for path, facts in seen.items() if path not in left} == want


@given(FOLDERS)
def test_there_is_nothing_to_do_where_nothing_differs(had):
    shelf = Shelf()
    entry = shelf.entry("", had)
    assert list(Undoing(shelf.load, ROOT).steps(entry, entry)) == []
    assert list(changes(entry, entry, shelf.load)) == []


@given(FOLDERS, FOLDERS)
def test_the_changes_name_exactly_the_paths_that_differ(before, after):
    shelf = Shelf()
    was, now = shelf.entry("", before), shelf.entry("", after)
    old, new = flat(shelf, was), flat(shelf, now)
    differ = {path or "." for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert {change.path for change in changes(was, now, shelf.load)} == differ


def steps(target, present, *, rights=ROOT):
    shelf = Shelf()
    wanted, had = shelf.entry("", (0o755, target)), shelf.entry("", (0o755, present))
    return list(Undoing(shelf.load, rights).steps(wanted, had))


def test_what_is_excluded_is_never_touched_wherever_it_stands():
    excluded = Missed.EXCLUDED
    assert steps({}, {"a": excluded}) == []
    assert steps({"a": excluded}, {"a": "x"}) == []
    assert [type(step) for step in steps({"a": "x"}, {"a": excluded})] == [Residue]
    assert [type(step) for step in steps({"a": "x"}, {"a": (0o755, {"b": Missed.MOUNT})})] == [Residue]


def test_a_new_directory_with_something_excluded_in_it_is_emptied_around_it():
    found = steps({}, {"new": (0o755, {"keep": Missed.EXCLUDED, "go": "x"})})
    assert [(type(step), step.path) for step in found if not isinstance(step, SetMode)] == [
        (Quarantine, "new/go"),
        (Residue, "new"),
    ]


def test_what_could_not_be_read_then_stays_as_it_is_now():
    assert [type(step) for step in steps({"a": Missed.UNREADABLE}, {"a": "x"})] == [Residue]


def test_a_file_with_a_second_name_is_made_anew_instead_of_changed():
    want = Entry("f", Kind.FILE, 0o600, 0, 0, 1, "x")
    have = replace(want, mode=0o644, notes=(HARD_LINK,))
    load = {"w": {"f": want}, "h": {"f": have}}.__getitem__
    found = list(Undoing(load, ROOT).steps(folder("w"), folder("h")))
    assert found == [PutFile("f", want, have)]


def folder(ref):
    return Entry("", Kind.DIR, 0o755, 0, 0, 0, ref)


def test_without_privileges_owners_are_left_and_setuid_of_others_is_dropped():
    rights = Rights(privileged=False, uid=1000, groups=frozenset({1000}))
    other = Entry("f", Kind.FILE, 0o6755, 0, 0, 1, "x")
    mine = replace(other, uid=1000, gid=1000)
    assert rights.possible(other).mode == 0o755
    assert rights.possible(mine).mode == 0o6755
    assert rights.same(other, replace(mine, mode=0o755))
    assert not Rights(privileged=True).same(other, replace(other, uid=1000))


def test_a_name_cannot_hide_or_turn_around_what_it_says():
    assert shown("a\nb\x1b[2J\u202ec\udcff é") == r"a\nb\x1b[2J\u202ec\xff é"


def test_changes_are_counted_and_cut():
    entry = Entry("f", Kind.FILE, 0o644, 0, 0, 1, "x")
    found = Changes(since="c1", items=tuple(Change(f"f{n}", "added", None, entry) for n in range(5)), unsure=("f1",))
    assert found.headline == "5 added since c1, 1 still changing"
    assert found.lines(2) == ["A f0  1 bytes", "A f1  1 bytes", "… and 3 more"]
    machine = found.as_json(2)
    assert machine["total"] == 5
    assert json.loads(json.dumps(machine)) == machine
