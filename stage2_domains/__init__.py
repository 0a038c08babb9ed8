"""Passive Stage-2 domains and the contract they keep."""
