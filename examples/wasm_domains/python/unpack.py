"""Unpacks ``words.wasm`` (18 MB) from ``words.wasm.xz`` (4 MB), if it is what it was.

Needs nothing but Python. ``build.sh`` makes the file anew instead.
"""

import hashlib
import lzma
from pathlib import Path

HERE = Path(__file__).parent
PACKED = HERE / "words.wasm.xz"
DIGEST = "c16786f8db1e7f6adc9681a67e3804bc3b67a4727411acd0e9fb930aad23e32a"
SIZE = 18_422_634


def unpacked() -> bytes:
    """Return the component.

    Raises:
        SystemExit: The packed file is not the one this script was written for.
    """
    # One byte more than expected is asked for, so that nothing can grow without end.
    with lzma.open(PACKED) as file:
        code = file.read(SIZE + 1)
    if hashlib.sha256(code).hexdigest() != DIGEST:
        raise SystemExit(f"{PACKED.name} is not what it was")
    return code


if __name__ == "__main__":
    (HERE / "words.wasm").write_bytes(unpacked())
