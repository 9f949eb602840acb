"""A seeded discrete-event model of the lease protocol that drives the very state machines of ``core.lease``."""
