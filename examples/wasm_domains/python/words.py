"""A Stage-3 domain in Python that runs as WebAssembly: ``count`` counts words.

Everything is imported up here, while the component is built: there are no files to
import from once it runs. ``Counter.most_common`` would import ``heapq`` at its first
use, for instance, and end the plan.
"""

import json
from collections import Counter

import wit_world


class WitWorld(wit_world.WitWorld):
    """What the component exports. Each call has a component of its own."""

    def invoke(self, method: str, params: str) -> str:
        """Answer one request; parameters were checked against the schema before."""
        if method != "count":
            return _answer(error="there is no such method")
        words = Counter(json.loads(params)["text"].lower().split())
        common = sorted(words, key=lambda word: (-words[word], word))[:3]
        return _answer(data={"words": words.total(), "common": common})


def _answer(*, data: object = None, error: str | None = None) -> str:
    return json.dumps({"success": error is None, "data": data, "error": error})
