"""Brings the domain ``weather`` along; nothing here is imported to run it."""
