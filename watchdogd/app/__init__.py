"""The composition root: which adapter stands behind which port, a file per process."""
