"""Capability tokens, keys, limits, the registry and the authority."""
