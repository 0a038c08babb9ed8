"""How tokens and statements are written down and read back."""
