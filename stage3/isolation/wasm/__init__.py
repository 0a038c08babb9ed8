"""The tier for authors nobody knows: the domain is a WebAssembly program.

``tier`` is the way in; the engine (``wasmtime``, the extra ``[wasm]``) is loaded at
the first call and not before. Nothing else of the product imports this package's
other modules.
"""
