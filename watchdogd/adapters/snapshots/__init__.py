"""Snapshots of a workspace in a content-addressed store: taking, comparing, restoring, previewing."""
