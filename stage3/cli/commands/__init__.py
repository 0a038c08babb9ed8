"""What the commands do, one module per group.

Each module has a mapping ``COMMANDS`` from a command's words to a function that takes
the arguments and gives an ``Answer``.
"""

__all__: list[str] = []
