"""Topics, envelopes and trajectories: what goes over a wire or into a file."""
