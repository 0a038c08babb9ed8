"""Fixed plans executed across domains under one capability token."""
