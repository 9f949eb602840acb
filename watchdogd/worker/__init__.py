"""The worker: the agent that does the job, and the gate in front of its tools."""
