"""The daemon with real processes: broker, supervisor, worker, overseer, tools."""
