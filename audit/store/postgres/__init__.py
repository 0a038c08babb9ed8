"""The ledger in PostgreSQL, for many machines: see ``audit.store.interface``."""
