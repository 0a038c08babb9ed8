"""Dionysus: mood, music and leisure."""
