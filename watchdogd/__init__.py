"""watchdogd runs an LLM agent under a separate overseer that can hold, correct and stop it."""

__version__ = "0.1.0"
