"""The tier with a real boundary on Linux: one locked-down process per call."""
