"""TOML in, frozen values out."""
