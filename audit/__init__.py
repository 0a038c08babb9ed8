"""The ledger: entries, trail grammar, tree, stores, verification."""
