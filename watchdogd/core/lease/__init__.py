"""The lease protocol: three state machines as pure functions, driven alike by the daemon and by the simulation."""
