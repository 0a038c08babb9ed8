"""Runs a domain in its box, and tells what came of it."""
