"""Nightly orders: every file in raw/ goes into orders.db, all or nothing."""

import csv
import sqlite3
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

RAW = Path("raw")
DB = Path("orders.db")

SCHEMA = """
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    order_date TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    source TEXT NOT NULL
);
"""


def store(db: sqlite3.Connection, source: str, row: dict[str, str]) -> None:
    """Stores one order; whatever is wrong with it is an exception."""
    day = date.fromisoformat(row["order_date"])
    cents = int(Decimal(row["amount"]) * 100)
    values = (row["order_id"], day.isoformat(), row["customer_id"], cents, source)
    db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", values)


def ingest(db: sqlite3.Connection) -> int:
    """Loads all files and returns how many orders were stored."""
    stored = 0
    for path in sorted(RAW.glob("*.csv")):
        with path.open(newline="") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                try:
                    store(db, path.name, row)
                except (KeyError, ValueError) as why:
                    sys.exit(f"ingest: {path} line {line}: {type(why).__name__}: {why}")
                stored += 1
    return stored


def main() -> None:
    """Builds a new database beside the old one and swaps them."""
    new = DB.with_suffix(".new")
    new.unlink(missing_ok=True)
    db = sqlite3.connect(new)
    db.executescript(SCHEMA)
    stored = ingest(db)
    db.commit()
    print(f"ingest: {stored} orders stored")
    db.close()
    new.replace(DB)


if __name__ == "__main__":
    main()
