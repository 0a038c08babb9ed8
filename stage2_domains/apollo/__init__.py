"""Apollo: habits, routines and health arithmetic."""
