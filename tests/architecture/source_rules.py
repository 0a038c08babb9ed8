"""Rules about source text, each a function from one file to its findings.

They cover what an import contract cannot see: what is called, where an import stands,
what a string holds. Each is a heuristic about our own honest code, not a wall against
somebody who wants to get round it. ``SOURCE_RULES`` lists them all.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Final

from tests.architecture.source_tree import PACKAGES, ROOT, Source

__all__ = ["CONTRACTS", "DECIDING", "FACES", "SOURCE_RULES"]

FACES: Final = ("stage3.cli", "stage3.pytest_plugin", "stage3.service", "stage3.mcp")
"""They translate and never decide, and may use what their frameworks need."""

BACKGROUND_MODULES: Final = frozenset(
    {"anyio", "apscheduler", "asyncio", "backoff", "celery", "concurrent"}
    | {"multiprocessing", "queue", "retry", "retrying", "sched", "tenacity", "trio"}
)
BACKGROUND_NAMES: Final = frozenset(
    {"threading.Thread", "threading.Timer", "_thread.start_new_thread"}
    | {"_thread.start_joinable_thread", "signal.setitimer", "time.sleep"}
)
UNSAFE_MODULES: Final = frozenset({"dill", "marshal", "pickle", "shelve"})
UNSAFE_CALLS: Final = frozenset({"__import__", "compile", "eval", "exec"})
UNSAFE_ALLOWED: Final[frozenset[str]] = frozenset(
    f"stage3.isolation.process.{name}" for name in ("child", "zygote")
)
"""Modules below ``stage3.isolation`` that compile or run code handed to them."""

CONTRACTS: Final = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
}
DECIDING: Final[tuple[str, ...]] = tuple(
    CONTRACTS["deciding-is-pure"]["source_modules"]
)
IMPURE_CALLS: Final = frozenset(
    {"input", "now", "open", "print", "read_bytes", "read_text", "today", "utcnow"}
    | {"uuid1", "uuid4", "write_bytes", "write_text"}
)

LATE_IMPORTS: Final = {
    "command dispatch": re.compile(r"stage3\.cli(\.\w+)*:\w+"),
    "lazy package attributes": re.compile(
        r"(audit|stage2_domains|stage3(\.pytest_plugin)?|tokens):__getattr__"
    ),
    "lazy WebAssembly engine": re.compile(r"stage3\.isolation\.wasm\.tier:_machine"),
    "lazy stores": re.compile(r"audit\.store\.opening:\w+"),
    "what a box has loaded": re.compile(r"stage3\.isolation\.process\.preload:preload"),
    "validator compilation": re.compile(r"stage2_domains\.schema:\w+"),
    "loader of domain entry points": re.compile(
        r"stage2_domains\.(registry|entry_points|trusted):\w+"
    ),
}
"""Why an import may stand inside a function, and where: ``module:function``."""

SQL: Final = re.compile(
    r"^\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|DELETE\s+FROM\s"
    r"|UPDATE\s+(\S+\s+SET\s|$)"
    r"|(CREATE|DROP)\s+(TEMP\s|UNIQUE\s)*\s*(TABLE|INDEX|TRIGGER|VIEW|ROLE)\s"
    r"|ALTER\s+TABLE\s|PRAGMA\s|BEGIN\s+(IMMEDIATE|EXCLUSIVE)|SAVEPOINT\s|GRANT\s)"
)
SQL_MODULES: Final = frozenset({"psycopg", "sqlite3"})

ROOMS: Final = {
    "audit": ("audit",),
    "stage2_domains": ("stage2_domains",),
    "tokens": ("audit", "tokens"),
    "stage3.isolation": ("stage2_domains", "stage3.isolation"),
    "stage3": PACKAGES,
}
"""Room to what it may import, also for type checking only; first match counts."""


def no_background_work(source: Source) -> list[str]:
    """Design section 2 rule 7: nothing waits, repeats or runs in the background."""
    if not source.is_below("audit", "tokens", "stage3") or source.is_below(*FACES):
        return []
    found = [
        source.at(node, f"{name} starts or awaits work in the background")
        for node, name in _imported_names(source)
        if name.partition(".")[0] in BACKGROUND_MODULES or name in BACKGROUND_NAMES
    ]
    coroutines = (ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await)
    for node in ast.walk(source.tree):
        if isinstance(node, coroutines):
            found.append(source.at(node, "a coroutine"))
        elif isinstance(node, ast.While) and _is_always_true(node.test):
            found.append(source.at(node, "an endless loop"))
        elif isinstance(node, ast.Attribute) and (
            node.attr == "sleep" or ast.unparse(node) in BACKGROUND_NAMES
        ):
            found.append(source.at(node, f"{ast.unparse(node)} is not allowed"))
    return found


def late_imports_are_listed(source: Source) -> list[str]:
    """Design section 2 rule 6: imports inside functions only on the short list."""
    found = []
    for function in _outermost_functions(source.tree):
        place = f"{source.module}:{function.name}"
        if any(allowed.fullmatch(place) for allowed in LATE_IMPORTS.values()):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.append(source.at(node, f"an import inside {function.name}()"))
            elif isinstance(node, ast.Call) and _called(node) == "import_module":
                found.append(source.at(node, f"import_module in {function.name}()"))
    return found


def sql_stays_in_the_store(source: Source) -> list[str]:
    """Design section 2 rule 8: SQL and its drivers only in ``audit.store``."""
    if source.is_below("audit.store"):
        return []
    found = [
        source.at(node, f"{name} belongs in audit.store")
        for node, name in _imported_names(source)
        if name.partition(".")[0] in SQL_MODULES
    ]
    prose = {id(node) for node in _docstrings(source.tree)}
    return found + [
        source.at(node, "SQL outside audit.store")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and id(node) not in prose
        if isinstance(node.value, str) and SQL.match(node.value)
    ]


def no_assert(source: Source) -> list[str]:
    """A check that ``python -O`` removes is no check."""
    return [
        source.at(node, "assert in product code")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assert)
    ]


def no_code_from_data(source: Source) -> list[str]:
    """No pickle and its kin, no eval, exec or compile."""
    if source.module in UNSAFE_ALLOWED and source.is_below("stage3.isolation"):
        return []
    found = [
        source.at(node, f"{name} turns data into code")
        for node, name in _imported_names(source)
        if name.partition(".")[0] in UNSAFE_MODULES
    ]
    return found + [
        source.at(node, f"{node.func.id}() turns data into code")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in UNSAFE_CALLS
    ]


def deciding_code_only_computes(source: Source) -> list[str]:
    """Design section 2 rule 4, for what hides behind an allowed module."""
    if not source.is_below(*DECIDING):
        return []
    return [
        source.at(node, f"{_called(node)}() in deciding code")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS
    ]


def rooms_keep_apart(source: Source) -> list[str]:
    """Design section 2 rules 1 and 3, counting imports for type checking too."""
    room = next(name for name in ROOMS if source.is_below(name))
    return [
        source.at(node, f"{room} may not import {name}")
        for node, name in _imported_names(source)
        if name.partition(".")[0] in PACKAGES
        if not any(f"{name}.".startswith(f"{ok}.") for ok in ROOMS[room])
    ]


def roots_are_for_users(source: Source) -> list[str]:
    """Product code imports modules; a package root only re-exports."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name in PACKAGES]
            found += [source.at(node, f"imports the root of {name}") for name in names]
        elif isinstance(node, ast.ImportFrom) and node.module in PACKAGES:
            names = [alias.name for alias in node.names]
            found += [
                source.at(node, f"imports {name} from the root of {node.module}")
                for name in names
                if not _is_module(node.module, name)
            ]
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.append(source.at(node, "a relative import"))
    return found


SOURCE_RULES: Final[tuple[Callable[[Source], list[str]], ...]] = (
    no_background_work,
    late_imports_are_listed,
    sql_stays_in_the_store,
    no_assert,
    no_code_from_data,
    deciding_code_only_computes,
    rooms_keep_apart,
    roots_are_for_users,
)


def _imported_names(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every imported name in full: ``from a import b`` gives ``a.b``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def _is_module(package: str, name: str) -> bool:
    home = ROOT / package / name
    return home.with_suffix(".py").is_file() or home.is_dir()


def _is_always_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _outermost_functions(
    tree: ast.AST,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        else:
            yield from _outermost_functions(node)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string that stands alone as a statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
