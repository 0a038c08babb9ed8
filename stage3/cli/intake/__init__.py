"""What is given to a command: files, credentials, passphrases, each bounded."""

__all__: list[str] = []
