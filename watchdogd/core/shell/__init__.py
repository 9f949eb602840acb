"""Shell commands judged by a real grammar: what they would read, write, remove, reach and endanger."""

from watchdogd.core.shell.assessment import Assessment, assess, dangers_in, headline
from watchdogd.core.shell.danger import Danger
from watchdogd.core.shell.simple import Redirect, SimpleCommand

__all__ = ["Assessment", "Danger", "Redirect", "SimpleCommand", "assess", "dangers_in", "headline"]
