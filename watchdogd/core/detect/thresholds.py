"""Every threshold of the bank: its unit, its reason, where it comes from.

"Measured" means: chosen on recorded runs of real agents with injected faults, see docs/detection.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Loops, cycles, stagnation, stall."""

    repeat_warn: int = 4
    """Equal (call, answer) in a row that raise WARN. OpenHands acts at 4; a third look can be honest."""
    repeat_crit: int = 6
    """The same for CRIT: two more after a nudge had its chance."""
    repeat_failing_warn: int = 3
    """The same when all of them fail; OpenHands acts at 3 failing ones."""
    repeat_failing_crit: int = 5
    """The same for CRIT."""
    same_call_failing_warn: int = 4
    """Equal calls in a row that all fail, with whatever text, that raise WARN. OpenHands: 4."""
    same_call_failing_crit: int = 6
    """The same for CRIT."""
    blind_repeat_warn: int = 5
    """Equal calls in a row that raise WARN where a recording has no results. gemini-cli, which never looks at results:
    5."""
    blind_repeat_crit: int = 8
    """The same for CRIT."""
    blind_cycle_warn_turns: int = 4
    """Full turns of a cycle that raise WARN where a recording has no results. gemini-cli: 5."""
    blind_cycle_crit_turns: int = 6
    """The same for CRIT."""
    waiting_factor: int = 3
    """Waiting on purpose and outages multiply repeat and cycle thresholds by this."""
    cycle_warn_turns: int = 3
    """Full turns of a cycle of 2 to 8 calls that raise WARN: twice can be a check."""
    cycle_crit_turns: int = 4
    """The same for CRIT."""
    interleaved_window_calls: int = 12
    """Calls among which equal (call, answer) pairs are counted."""
    interleaved_warn: int = 4
    """Equal pairs in that window, others between, that raise WARN. Measured."""
    interleaved_crit: int = 6
    """The same for CRIT."""
    stale_streak_warn: int = 4
    """Calls in a row that were all made before, with that answer, that raise WARN. Measured: 3 of 1,445 recorded
    runs have so many, all three failed."""
    stale_streak_crit: int = 12
    """The same for CRIT."""
    stale_window_calls: int = 16
    """Calls among which such calls are counted."""
    stale_density_warn: int = 10
    """Such calls in that window that raise WARN. Measured."""
    stale_density_crit: int = 13
    """The same for CRIT."""
    replay_warn: int = 4
    """Calls in a row that repeat an earlier stretch, answers included, that raise WARN. Measured."""
    replay_crit: int = 8
    """The same for CRIT."""
    stagnation_warn: int = 6
    """Different calls of one tool in a row with one and the same answer that raise WARN. Measured."""
    stagnation_crit: int = 10
    """The same for CRIT."""
    stagnation_content_warn: int = 4
    """The same for WARN, of calls that read, where the answer has content: no reply fits four different questions."""
    monologue_warn: int = 3
    """Near-equal messages in a row, nothing done between, that raise WARN. OpenHands: 3."""
    monologue_crit: int = 5
    """The same for CRIT."""
    chant_repeats_warn: int = 8
    """Times a message ends in the same phrase over and over that raise WARN; gemini-cli: 10 equal chunks."""
    chant_repeats_crit: int = 24
    """The same for CRIT."""
    silence_warn_s: float = 300
    """Seconds without any activity, nobody waited for, that raise WARN. Start value of DETECTION."""
    silence_crit_s: float = 900
    """The same for CRIT."""
    call_default_deadline_s: float = 1_800
    """Seconds a running tool or model call may take when its event names no deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Rate and accumulation of the agent's own errors, the provider's and the network's apart."""

    rate_warn: float = 4.5
    """Cumulative sum of log-likelihood (nats, failing often against failing as usual) that raises WARN. Page 1954;
    about 90 to 1 for trouble. Measured."""
    rate_crit: float = 7.0
    """The same for CRIT: about 1,000 to 1."""
    rate_usual: float = 0.15
    """Share of failed calls taken as usual before the run has shown its own (0 to 1). tau and AgentDojo: 0.04 to 0.06;
    coding runs more."""
    rate_trouble: float = 0.55
    """Share of failed calls that is trouble (0 to 1)."""
    window_calls: int = 20
    """Finished calls over which failures are counted."""
    window_warn: int = 8
    """Failures in that window, spread out, that raise WARN where the run does not usually fail so often. Measured."""
    row_warn: int = 5
    """Failed calls in a row, whatever their text, that raise WARN. Measured."""
    row_crit: int = 8
    """The same for CRIT."""
    same_error_warn: int = 4
    """Errors in a row of one signature, whatever the call, that raise WARN. OpenHands compares only equal calls."""
    same_error_crit: int = 7
    """The same for CRIT."""
    outage_warn: int = 3
    """Failures of the provider or the network among the last 6 attempts that name an outage."""
    outage_crit: int = 12
    """Consecutive such failures that raise CRIT: the run cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Re-reading, re-doing, starting over."""

    reread_window_calls: int = 48
    """Calls among which unchanged content read again counts."""
    reread_warn: int = 4
    """Times the same unchanged content is read, other calls between, that raise WARN. Measured."""
    reread_crit: int = 7
    """The same for CRIT."""
    reread_least_chars: int = 10
    """Shorter answers are a state, not content (characters)."""
    redone_warn: int = 3
    """Times the same successful act with an effect is done, other calls between, that raise WARN. Measured."""
    redone_crit: int = 5
    """The same for CRIT."""
    restart_warn: int = 3
    """Calls from its own beginning, in order and with the same answers, that raise WARN. Measured."""
    restart_crit: int = 6
    """The same for CRIT."""
    asked_again_warn: int = 2
    """Times a question for a fact is asked again after its answer that raise WARN: once can be to make sure."""
    asked_again_crit: int = 4
    """The same for CRIT."""
    against_user_risk: float = 0.6
    """Risk (0 to 1) of a call that the user's words forbade: words are read by shape, so it is a WARN."""
    against_mission_risk: float = 0.85
    """Risk of one that the mission's rules forbade."""
    cleared_warn: float = 0.8
    """Share of the context (0 to 1) that one edit cleared that raises WARN: providers clear half as a matter of
    course."""
    cleared_crit: float = 0.97
    """The same for CRIT: next to nothing is left."""
    cleared_least_tokens: int = 5_000
    """Less than this is no loss (tokens)."""
    probe_wrong_warn: float = 0.34
    """Share of probe answers (0 to 1) that were wrong that raises WARN: more than one of three."""
    probe_wrong_crit: float = 0.6
    """The same for CRIT."""
    probe_least_asked: int = 3
    """Fewer questions than this prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tokens and money."""

    budget_warn: float = 0.8
    """Share of the run's money budget spent that raises WARN."""
    budget_crit: float = 1.0
    """The same for CRIT."""
    velocity_window_s: float = 600
    """Seconds over which spending per hour is measured."""
    velocity_warn_usd_per_h: float = 20
    """Dollars per hour that raise WARN; about four busy hours of a large model."""
    velocity_crit_usd_per_h: float = 60
    """The same for CRIT."""
    day_warn_usd: float = 50
    """Dollars since midnight UTC, over all runs, that raise WARN."""
    day_crit_usd: float = 200
    """The same for CRIT."""
    forecast_warn_s: float = 900
    """The budget ends within so many seconds at the present rate: WARN, while there is time to answer."""
    forecast_from: float = 0.25
    """Share of the budget (0 to 1) that must be spent before a forecast is made: the start of a run is dear."""
    run_tokens_warn: int = 30_000_000
    """Tokens of one run, cached ones included, that raise WARN; a day of steady work with a full context."""
    run_tokens_crit: int = 120_000_000
    """The same for CRIT."""
    cache_hits_before: int = 2
    """Calls of the run that must have read from the cache before a miss counts: else it is not in use."""
    cache_least_tokens: int = 8_000
    """Shorter inputs are not worth caching (tokens)."""
    cache_missed_warn: int = 3
    """Calls in a row that paid in full that raise WARN; a cached token costs a tenth or less."""
    cache_missed_crit: int = 10
    """The same for CRIT."""
    idle_least_calls: int = 4
    """Calls in a row that brought nothing new before money spent on them counts."""
    idle_warn_usd: float = 1.0
    """Dollars spent on them that raise WARN."""
    idle_warn_tokens: int = 1_000_000
    """Tokens spent on them that raise WARN."""
    idle_crit_factor: float = 4.0
    """CRIT at so many times the WARN amount."""
