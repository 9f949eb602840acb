"""The same ports in memory, a scripted Messages API, scenarios and fault injection."""
