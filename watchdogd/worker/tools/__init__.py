"""The tools the worker offers its model."""
