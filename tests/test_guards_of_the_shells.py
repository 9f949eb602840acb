"""Guards that an adversary asked for: each closes a way round a promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watchdogd.adapters.objects import ObjectDirectory
from watchdogd.adapters.redaction import SecretRedactor
from watchdogd.core.errors import ToolError
from watchdogd.core.ids import canonical
from watchdogd.core.lease.messages import Latch, Mode
from watchdogd.core.lease.overseer import OverseerState, expired, latched
from watchdogd.sim.clock import HandClock
from watchdogd.sim.record import MemoryDisk, MemoryRecord
from watchdogd.wire.envelope import MAX_BYTES
from watchdogd.worker.gate import LARGEST_ARGS_BYTES, fits
from watchdogd.worker.journal import Journal
from watchdogd.worker.run import shortened

SECRET = "a-credential-of-ours-0123456789"


def test_a_pause_in_shadow_mode_is_not_called_held_by_time_alone():
    state = latched(OverseerState(epoch=1, started_at=0.0), 0.0, Latch(name="operator/a", by="a", reason="r"))
    assert expired(state, 1_000.0)[1] != ()
    assert expired(replace(state, mode=Mode.SHADOW), 1_000.0)[1] == ()


def test_arguments_that_could_not_travel_are_refused_before_they_are_recorded():
    fits({"text": "x" * 1_000})
    with pytest.raises(ToolError, match="limit"):
        fits({"text": "漢" * 45_000})


def test_what_is_recorded_of_a_call_that_was_never_prepared_fits_on_the_bus():
    assert shortened({"a": 1}) == {"a": 1}
    assert len(canonical(dict(shortened({"text": "漢" * 1_000_000})))) < LARGEST_ARGS_BYTES < MAX_BYTES


@pytest.mark.parametrize("before", [5_990, 6_000 - len(SECRET) // 2, 7_000])
def test_a_secret_that_straddles_the_cut_of_a_long_text_is_gone_all_the_same(tmp_path, before):
    objects = ObjectDirectory(tmp_path)
    redactor = SecretRedactor((SECRET,))
    journal = Journal(MemoryRecord(MemoryDisk()), objects, redactor, HandClock(), "boot")
    text = journal.text("x " * (before // 2) + SECRET + " y" * 5_000)
    assert text.cut
    assert SECRET[:12] not in text.shown
    assert SECRET[-12:] not in text.shown
    assert SECRET not in (objects.get(text.digest) or "")
