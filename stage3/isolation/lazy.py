"""What the standard library loads at its first use, for every tier to load before."""

from __future__ import annotations

from typing import Final

__all__ = ["LAZY_CODECS"]

LAZY_CODECS: Final = (
    "ascii",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp437",
    "hex",
    "idna",
    "iso8859-1",
    "iso8859-15",
    "iso8859-2",
    "koi8-r",
    "punycode",
    "raw-unicode-escape",
    "unicode-escape",
    "utf-16",
    "utf-16-be",
    "utf-16-le",
    "utf-32",
    "utf-32-be",
    "utf-32-le",
    "utf-7",
    "utf-8-sig",
)
"""An encoding's first use imports its codec, which a box takes for an attempt."""
