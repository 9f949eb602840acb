"""Shell commands judged by a real grammar: what they would read, write, remove, reach and endanger."""

from watchdogd.core.shell.assessment import Assessment, assess, headline
from watchdogd.core.shell.danger import Danger
from watchdogd.core.shell.grammar import Redirect, SimpleCommand

__all__ = ["Assessment", "Danger", "Redirect", "SimpleCommand", "assess", "headline"]
