"""Hephaestus: code, designs and tracebacks."""
