"""What the store says of tokens, keys and the platform, and how it is read."""
