"""A component that runs what it is handed, to try the catalogue in WebAssembly.

Built by ``componentize-py`` in a nightly test; never part of an example. As the worst
case, everything an attack may want to import is in it already.
"""

import contextlib
import json
import sys
import types

import wit_world

_WANTED = """
_posixsubprocess _thread ast asyncio atexit code codecs concurrent.futures.thread
contextvars ctypes dataclasses datetime decimal faulthandler fcntl gc glob hashlib
inspect io itertools logging marshal mmap multiprocessing os pathlib pickle random re
resource select shutil signal socket sqlite3 string subprocess syslog tempfile threading
time traceback urllib.request warnings weakref
"""
for _name in _WANTED.split():
    with contextlib.suppress(ImportError):
        __import__(_name)


class DomainResult:
    """Stands for the product's."""

    def __init__(
        self,
        success: object,
        data: object = None,
        error: object = None,
        usage: object = None,
    ) -> None:
        self.success, self.data, self.error, self.usage = success, data, error, usage


_contract = types.ModuleType("stage2_domains.contract")
_contract.DomainResult = DomainResult
_contract.Stage2Domain = type("Stage2Domain", (), {})
sys.modules["stage2_domains"] = types.ModuleType("stage2_domains")
sys.modules["stage2_domains.contract"] = _contract


class WitWorld(wit_world.WitWorld):
    """What the component exports."""

    def invoke(self, method: str, params: str) -> str:
        """Run the source in ``params`` and make its answer the component's."""
        del method
        space = {"__name__": "domain"}
        try:
            exec(json.loads(params)["source"], space)  # noqa: S102 - what it is for
            answer = space["Boxed"]().invoke("run", {})
            return json.dumps(
                {"success": answer.success, "data": answer.data, "error": answer.error}
            )
        except Exception as error:  # noqa: BLE001 - a failure of the domain
            text = f"{type(error).__name__}: {error}"[:200]
            return json.dumps({"success": False, "data": None, "error": text})
