"""Prompt texts, loaded by digest."""
