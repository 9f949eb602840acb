"""notify: people are told without MQTT, or it says why not."""

from __future__ import annotations

import sys

from watchdogd.commands.notify import told


def test_the_command_gets_the_text_on_its_stdin(tmp_path):
    out = tmp_path / "out"
    script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    assert told([sys.executable, "-c", script], "it failed", 60) == ""
    assert out.read_text() == "it failed"


def test_a_command_that_fails_is_named_with_its_last_words():
    why = told([sys.executable, "-c", "import sys; sys.exit('no modem')"], "x", 60)
    assert "status 1" in why
    assert "no modem" in why


def test_a_command_that_is_not_there_or_not_configured_is_said():
    assert "/no/such/program" in told(["/no/such/program"], "x", 60)
    assert "configured" in told([], "x", 60)


def test_a_command_that_hangs_is_ended():
    assert "timed out" in told([sys.executable, "-c", "import time; time.sleep(600)"], "x", 0.5)
