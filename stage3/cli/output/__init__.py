"""What a command says: answers, problems, tables, JSON, and where they go."""

__all__: list[str] = []
