"""Measurements for ``make bench``: figures, and ratios where two things can run side by side. Nothing is asserted."""
