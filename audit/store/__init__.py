"""Stores of the ledger: one interface, and what keeps it on a disk."""
