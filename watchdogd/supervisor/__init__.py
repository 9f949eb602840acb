"""The supervisor: starts, restarts, freezes, kills and proves it. No model SDK."""
