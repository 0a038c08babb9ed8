"""What a box has loaded before it is closed: afterwards nothing can be loaded.

The standard library opens files and imports at the first use of this and that: a
codec, ``strptime``, a time zone. In a closed box such a first use is indistinguishable
from an attempt by the domain, so it happens here, once, in the zygote.

Spec: BOX-5.
"""

from __future__ import annotations

import codecs
import random
import sys
import time
import zoneinfo
from contextlib import suppress
from importlib import import_module  # noqa: TID251 - for names of our own list
from typing import TYPE_CHECKING, Final

from stage2_domains import contract, errors, parameters
from stage2_domains.source import ALLOWED_IMPORTS
from stage3.isolation.lazy import LAZY_CODECS
from stage3.isolation.process.tripwire import IMPLIED

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["preload"]

_CONTRACT: Final = (
    contract.Budget,
    contract.DomainResult,
    contract.MethodSpec,
    contract.Stage2Domain,
    errors.DomainError,
    errors.ValueRefusedError,
    parameters.IsolatedParameters,
)
"""What a domain may import from ``stage2_domains`` itself; the rest is not loaded."""

_ZONES: Final = (
    "Africa/Cairo Africa/Johannesburg Africa/Lagos Africa/Nairobi America/Anchorage "
    "America/Argentina/Buenos_Aires America/Bogota America/Chicago America/Denver "
    "America/Halifax America/Los_Angeles America/Mexico_City America/New_York "
    "America/Phoenix America/Santiago America/Sao_Paulo America/St_Johns "
    "America/Toronto America/Vancouver Asia/Bangkok Asia/Dhaka Asia/Dubai "
    "Asia/Ho_Chi_Minh Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Karachi "
    "Asia/Kathmandu Asia/Kolkata Asia/Manila Asia/Riyadh Asia/Seoul Asia/Shanghai "
    "Asia/Singapore Asia/Taipei Asia/Tehran Asia/Tokyo Atlantic/Azores "
    "Atlantic/Reykjavik Australia/Adelaide Australia/Brisbane Australia/Melbourne "
    "Australia/Perth Australia/Sydney Etc/GMT Etc/UTC Europe/Amsterdam Europe/Athens "
    "Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Copenhagen "
    "Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon "
    "Europe/London Europe/Luxembourg Europe/Madrid Europe/Moscow Europe/Oslo "
    "Europe/Paris Europe/Prague Europe/Rome Europe/Sofia Europe/Stockholm "
    "Europe/Vienna Europe/Vilnius Europe/Warsaw Europe/Zurich GMT Pacific/Auckland "
    "Pacific/Honolulu UTC"
)

_kept: Final[list[object]] = []
"""Keeps the zones alive: ``zoneinfo`` itself forgets all but eight."""


def preload() -> None:
    """Load everything a domain may use, and forget where more could be found.

    Source:
        BOX-5.3.
    """
    for name in sorted(ALLOWED_IMPORTS):
        import_module(name)
    for name in IMPLIED:
        with suppress(ImportError):  # not every version has all of them
            import_module(name)
    for name in LAZY_CODECS:
        codecs.lookup(name)
    time.strptime("2000", "%Y")
    _kept.extend(_zones(_ZONES.split()))
    random.seed(0)
    package = sys.modules["stage2_domains"]
    vars(package).update({each.__name__: each for each in _CONTRACT})
    sys.stdin = sys.stdout = sys.stderr = None
    sys.path.clear()
    sys.argv.clear()
    sys.path_importer_cache.clear()


def _zones(names: Iterable[str]) -> list[object]:
    found: list[object] = []
    for name in names:
        with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            found.append(zoneinfo.ZoneInfo(name))
    return found
