"""Rules about the repository as a whole: its top level, its words, its numbered MUSTs.

Each works on a mapping from path (relative, with slashes) to text, so that it can be
shown a small tree that breaks it.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.architecture.source_tree import PACKAGES, ROOT

__all__ = [
    "PACKAGED",
    "PUBLIC_HOSTS",
    "TOP_LEVEL",
    "machine_words",
    "stray_top_level",
    "tracked_files",
    "tracked_texts",
    "unproven_musts",
]

PACKAGED: Final = frozenset(PACKAGES)
TOP_LEVEL: Final = PACKAGED | {
    "CHANGELOG.md",
    "Containerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "compose.yaml",
    "docs",
    "examples",
    "pyproject.toml",
    "tests",
}
"""What stands at the top, beside names that begin with a dot."""

PUBLIC_HOSTS: Final = frozenset(
    {"c2sp.org", "csrc.nist.gov", "datatracker.ietf.org", "docs.python.org"}
    | {"github.com", "hypothesis.readthedocs.io", "json-schema.org"}
    | {"keepachangelog.com", "nvlpubs.nist.gov", "packaging.python.org"}
    | {"peps.python.org", "semver.org", "spdx.org", "tools.ietf.org"}
    | {"www.apache.org", "www.ietf.org", "www.postgresql.org", "www.rfc-editor.org"}
    | {"www.sqlite.org", "sqlite.org", "www.iso.org", "unicode.org", "www.unicode.org"}
    | {"www.w3.org"}
)
RESERVED_HOST: Final = re.compile(
    r"(.+\.)?(example(\.com|\.net|\.org)?|host|invalid|localhost|test)|127\.0\.0\.1|\[::1\]"
)

_HOST: Final = re.compile(r"https?://([^\s/:\"'`<>()\[\]{}|\\,]+)")
_PATHS: Final = re.compile(
    r"(?<![\w.~$-])/(?:work|root|opt|Users)/\w|(?<![\w.~$-])/home/(?!user\b)\w"
    r"|(?<![\w.~$-])/tmp/\w"
)
_INDEX: Final = re.compile(
    r"--(?:extra-)?index-url|--find-links|pypi\.org|pythonhosted"
)
_MUST: Final = re.compile(r"(?m)^\s*(?:[-*|]\s*)?(?:\*\*)?([A-Z]{3}-\d+\.\d+)\b")
_CITED: Final = re.compile(r"\b([A-Z]{3}-\d+\.\d+)\b")


def tracked_files() -> list[str]:
    """The files of the repository, also those not added yet, without ignored ones."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name for name in listing.stdout.split("\0") if name}
    return sorted(name for name in names if (ROOT / name).is_file())


def tracked_texts(names: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """The text of every file that is text, by path."""
    texts = {}
    for name in names:
        try:
            texts[name] = (root / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue
    return texts


def stray_top_level(names: Iterable[str]) -> list[str]:
    """Names at the top that the layout does not know."""
    tops = {name.partition("/")[0] for name in names}
    return sorted(top for top in tops - TOP_LEVEL if not top.startswith("."))


def machine_words(texts: Mapping[str, str]) -> list[str]:
    """Paths of one machine, package indexes, hosts other than public documentation."""
    found = []
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{name}:{number}: {word}" for word in _machine_words(line)]
    return found


def _machine_words(line: str) -> list[str]:
    words = [match.group() for match in _PATHS.finditer(line)]
    words += [match.group() for match in _INDEX.finditer(line)]
    hosts = [match.group(1).rstrip(".;").lower() for match in _HOST.finditer(line)]
    return words + [
        host
        for host in hosts
        if host not in PUBLIC_HOSTS and not RESERVED_HOST.fullmatch(host)
    ]


def unproven_musts(texts: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """MUST ids that no test cites, and citations of ids that no page defines."""
    defined: dict[str, str] = {}
    for name, text in texts.items():
        if name.startswith("docs/spec/") and name.endswith(".md"):
            defined |= dict.fromkeys(_MUST.findall(text), name)
    families = {identity.partition("-")[0] for identity in defined}
    tested: set[str] = set()
    unknown = []
    for name, text in texts.items():
        if not name.endswith(".py"):
            continue
        cited = set(_CITED.findall(text))
        if name.startswith("tests/"):
            tested |= cited
        unknown += [
            f"{name} cites {identity}, which docs/spec does not define"
            for identity in sorted(cited - set(defined))
            if identity.partition("-")[0] in families
        ]
    untested = [
        f"{defined[identity]}: {identity} is cited by no test"
        for identity in sorted(set(defined) - tested)
    ]
    return untested, unknown
