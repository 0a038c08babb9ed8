"""What only the security team's half may do: issue, stop, change keys."""
