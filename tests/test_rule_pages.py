"""Every rule has a page, every page a rule, and each page says what the others say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchdogd.settings.rule_ids import RULE_IDS

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "rules"
CHANNELS = "drift|errors|recall|progress|safety|cost"
SECTIONS = ("What.", "Why.", "Threshold.", "Source.", "What it does not see.", "Measured")


def rules() -> set[str]:
    """Every rule id in the detectors' sources."""
    sources = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "watchdogd" / "core" / "detect").glob("*.py"))
    return set(re.findall(rf'"((?:{CHANNELS})/[a-z-]+)"', sources))


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    pages = {one.stem.replace("-", "/", 1) for one in PAGES.glob("*.md")}
    assert pages == rules()


def test_a_policy_may_name_every_rule_and_what_judge_and_record_find() -> None:
    others = {"safety/record-broken", *(f"{channel}/judged" for channel in CHANNELS.split("|"))}
    assert set(RULE_IDS) == rules() | others


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda one: one.stem)
def test_a_page_says_what_why_threshold_source_limits_and_rates(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem.replace('-', '/', 1)}\n")
    assert [one for one in SECTIONS if f"**{one}" not in text] == []
