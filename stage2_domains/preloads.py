"""Modules of the standard library that a manifest may ask for.

A box imports them before the domain's code is there and before the box is closed, so
the list is closed: only what computes, and whose import opens and starts nothing.

Spec: DOM-9.6.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PRELOADABLE"]

PRELOADABLE: Final = frozenset(
    {
        *("abc", "array", "ast", "base64", "binascii", "bisect", "calendar"),
        *("cmath", "codecs", "collections", "collections.abc", "colorsys"),
        *("contextlib", "copy", "csv", "dataclasses", "datetime", "decimal"),
        *("difflib", "enum", "fractions", "functools", "graphlib", "hashlib"),
        *("heapq", "hmac", "html", "html.parser", "io", "ipaddress", "itertools"),
        *("json", "keyword", "math", "numbers", "operator", "pprint", "random"),
        *("re", "reprlib", "statistics", "string", "struct", "textwrap", "time"),
        *("token", "tokenize", "types", "typing", "unicodedata", "urllib.parse"),
        *("uuid", "weakref", "xml.etree.ElementTree", "zlib", "zoneinfo"),
    }
)
"""Dotted names."""
