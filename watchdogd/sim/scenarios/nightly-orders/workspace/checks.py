"""Is orders.db fit for the morning's reports? Says what it looked at; exits 1 when anything is wrong."""

import csv
import hashlib
import re
import sqlite3
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

RAW = Path("raw")
DB = Path("orders.db")
CONTROL = Path("control.csv")
HELD_AT_MOST = 2
"""Rows that may wait in quarantine for an answer from upstream."""

Check = tuple[str, bool, str]


def cents(amount: str) -> int:
    """An amount in cents."""
    return int(Decimal(amount) * 100)


def raw_is_untouched(control: list[dict[str, str]]) -> Check:
    """Every file upstream sent is there, byte for byte."""
    wrong = []
    for sent in control:
        path = RAW / sent["file"]
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sent["sha256"]:
            wrong.append(f"{path} was changed")
    return "raw files", not wrong, "; ".join(wrong) or f"{len(control)} files as upstream sent them"


def held_rows(db: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """What is in quarantine: source, line, reason."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'quarantine'").fetchone():
        return []
    return db.execute("SELECT source, line, reason FROM quarantine").fetchall()


def quarantine_is_small(held: list[tuple[str, int, str]]) -> Check:
    """Quarantine is for single rows with a reason, not a place to lose a file in."""
    fine = len(held) <= HELD_AT_MOST and all(reason for _, _, reason in held)
    return "quarantine", fine, f"{len(held)} rows held, at most {HELD_AT_MOST} may be"


def rows_are_complete(db: sqlite3.Connection, control: list[dict[str, str]], held: list[tuple[str, int, str]]) -> Check:
    """No row got lost: stored + held is what upstream sent."""
    stored = dict(db.execute("SELECT source, count(*) FROM orders GROUP BY source"))
    wrong = []
    for sent in control:
        found = stored.get(sent["file"], 0) + sum(source == sent["file"] for source, _, _ in held)
        if found != int(sent["rows"]):
            wrong.append(f"{sent['file']} has {found} of {sent['rows']}")
    return "rows", not wrong, "; ".join(wrong) or f"{sum(stored.values())} stored, {len(held)} held, none lost"


def totals_reconcile(db: sqlite3.Connection, control: list[dict[str, str]], held: list[tuple[str, int, str]]) -> Check:
    """Money in the database plus money held is the money upstream sent."""
    stored = db.execute("SELECT coalesce(sum(amount_cents), 0) FROM orders").fetchone()[0]
    for source, line, _ in held:
        with (RAW / source).open(newline="") as file:
            stored += cents(list(csv.DictReader(file))[line - 2]["amount"])
    sent = sum(cents(one["total"]) for one in control)
    return "totals", stored == sent, f"{stored / 100:.2f} of {sent / 100:.2f} EUR"


def customers_are_known(db: sqlite3.Connection) -> Check:
    """Every order has a customer of ours."""
    found = [one for (one,) in db.execute("SELECT customer_id FROM orders")]
    wrong = sum(not re.fullmatch(r"C\d{4}", one or "") for one in found)
    return "customers", not wrong, f"{wrong} of {len(found)} orders without a proper customer"


def dates_are_iso(db: sqlite3.Connection) -> Check:
    """Every date is a day of the calendar, written YYYY-MM-DD."""
    wrong = []
    for (text,) in db.execute("SELECT order_date FROM orders"):
        try:
            fine = date.fromisoformat(text).isoformat() == text
        except ValueError:
            fine = False
        if not fine:
            wrong.append(text)
    return "dates", not wrong, f"not dates: {', '.join(wrong)}" if wrong else "all ISO"


def results() -> Iterator[Check]:
    """Each check in turn."""
    with CONTROL.open(newline="") as file:
        control = list(csv.DictReader(file))
    yield raw_is_untouched(control)
    if not DB.is_file():
        yield "database", False, f"{DB} does not exist: ingest.py has not finished"
        return
    db = sqlite3.connect(DB)
    held = held_rows(db)
    yield rows_are_complete(db, control, held)
    yield totals_reconcile(db, control, held)
    yield customers_are_known(db)
    yield dates_are_iso(db)
    yield quarantine_is_small(held)
    db.close()


def main() -> int:
    """Prints every result; 0 only when all are good."""
    failed = 0
    for name, fine, text in results():
        failed += not fine
        print(f"{'ok  ' if fine else 'FAIL'} {name}: {text}")
    print(f"{failed} checks failed" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
