"""What ``doctor`` looks at; it reads and never repairs."""

__all__: list[str] = []
