"""The command line: it translates arguments into calls and answers into text.

Nothing is decided here. ``main`` is where a command starts; what each one does is
in ``commands``, one module per group, imported when it is called.

Specification: docs/spec/cli.md.
"""

__all__: list[str] = []
