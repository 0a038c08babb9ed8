#!/bin/sh
# Builds words.wasm (about 18 MB: it holds a Python) from words.py, in some 15 seconds.
# Needs componentize-py: `pip install componentize-py==0.25.1`. Two builds differ in
# their bytes, so the digest in unpack.py names one build only. To keep another one:
# `xz -9e -k words.wasm`, and write its digest and its size there.
set -eu
cd "$(dirname "$0")"
"${COMPONENTIZE_PY:-componentize-py}" -d wit -w domain componentize words \
    -o "${1:-words.wasm}"
