"""Hermes: messages, conversations and schedules."""
