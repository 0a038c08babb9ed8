"""Every rule about source text holds for the product, and catches what it is for."""

from collections.abc import Callable

import pytest

from tests.architecture.shape_rules import SHAPE_RULES
from tests.architecture.source_rules import DECIDING, FACES, SOURCE_RULES
from tests.architecture.source_tree import (
    ROOMS_ARE_COMPLETE,
    ROOT,
    Source,
    parse_source,
    product_sources,
)

RULES = SOURCE_RULES + SHAPE_RULES

GOOD = '"""What this is."""\n\n__all__ = ["A_LIMIT", "Thing", "act"]\n'

BAD = [
    ("no_background_work", "stage3/orchestrator.py", "async def run(): ..."),
    ("no_background_work", "stage3/orchestrator.py", "import asyncio"),
    ("no_background_work", "stage3/orchestrator.py", "from queue import Queue"),
    ("no_background_work", "stage3/isolation/box.py", "import concurrent.futures"),
    ("no_background_work", "tokens/registry.py", "from threading import Thread"),
    ("no_background_work", "tokens/registry.py", "import threading\nthreading.Timer"),
    ("no_background_work", "tokens/registry.py", "from tenacity import retry"),
    ("no_background_work", "audit/log.py", "import time\ntime.sleep(1)"),
    ("no_background_work", "audit/log.py", "from time import sleep"),
    ("no_background_work", "audit/log.py", "while True:\n    break"),
    ("no_background_work", "audit/log.py", "while 1:\n    break"),
    ("late_imports_are_listed", "stage3/plan.py", "def f():\n    import json"),
    ("late_imports_are_listed", "audit/log.py", "def f():\n    from a import b"),
    (
        "late_imports_are_listed",
        "tokens/registry.py",
        "class A:\n    def f(self):\n        import_module('json')",
    ),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = 'SELECT 1 FROM usage'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = 'INSERT OR FAIL INTO a ...'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = f'UPDATE {table} SET a = 1'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = 'UPDATE a SET b = 1'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = 'DELETE FROM a'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = '\\n  CREATE TABLE a (b)'"),
    ("sql_stays_in_the_store", "tokens/usage.py", "Q = 'CREATE UNIQUE INDEX a'"),
    ("sql_stays_in_the_store", "stage3/cli/doctor.py", "Q = 'PRAGMA user_version'"),
    ("sql_stays_in_the_store", "audit/log.py", "import sqlite3"),
    ("no_assert", "audit/log.py", "assert 1"),
    ("no_code_from_data", "audit/log.py", "import pickle"),
    ("no_code_from_data", "audit/log.py", "from marshal import loads"),
    ("no_code_from_data", "stage3/plan.py", "eval('1')"),
    ("no_code_from_data", "stage3/isolation/box.py", "exec('1')"),
    ("no_code_from_data", "stage3/plan.py", "compile('1', '', 'eval')"),
    ("deciding_code_only_computes", "stage3/gates.py", "datetime.now()"),
    ("deciding_code_only_computes", "stage3/plan.py", "uuid.uuid4()"),
    ("deciding_code_only_computes", "audit/merkle.py", "open('x')"),
    ("deciding_code_only_computes", "tokens/limits.py", "path.read_text()"),
    ("rooms_keep_apart", "audit/log.py", "from tokens.errors import TokenError"),
    ("rooms_keep_apart", "audit/log.py", "import stage2_domains.canonical"),
    ("rooms_keep_apart", "tokens/model.py", "from stage3.plan import ExecutionPlan"),
    ("rooms_keep_apart", "tokens/model.py", "from stage2_domains import canonical"),
    ("rooms_keep_apart", "stage2_domains/registry.py", "import audit.events"),
    ("rooms_keep_apart", "stage3/isolation/box.py", "import audit.events"),
    ("rooms_keep_apart", "stage3/isolation/box.py", "from stage3.plan import Plan"),
    (
        "rooms_keep_apart",
        "audit/log.py",
        "if TYPE_CHECKING:\n    from tokens.model import CapabilityToken",
    ),
    ("roots_are_for_users", "stage3/plan.py", "from tokens import TokenAuthority"),
    ("roots_are_for_users", "stage3/plan.py", "import tokens"),
    ("roots_are_for_users", "audit/log.py", "from . import events"),
]

BAD_SHAPES = [
    ("starts_with_docstring_and_exports", "__all__ = []"),
    ("starts_with_docstring_and_exports", '"""What this is."""\nX = 1'),
    ("starts_with_docstring_and_exports", '"""What."""\nfrom a import b'),
    ("starts_with_docstring_and_exports", '"""What."""\n__all__ = ["b", "a"]'),
    ("starts_with_docstring_and_exports", '"""What."""\n__all__ = ["act", "Thing"]'),
    ("starts_with_docstring_and_exports", '"""What."""\n__all__ = names()'),
    ("public_things_are_documented", "def act(): ..."),
    ("public_things_are_documented", "class Thing: ..."),
    (
        "public_things_are_documented",
        'class Thing:\n    """A thing."""\n    def act(self): ...',
    ),
    ("files_are_short", "x = 1\n" * 401),
]

ALLOWED = [
    ("stage3/cli/main.py", "def _entry():\n    import argparse"),
    ("stage3/service/app.py", "async def _serve(): ..."),
    ("tokens/__init__.py", "def __getattr__(name):\n    from tokens.model import X"),
    ("audit/store/sqlite.py", "import sqlite3\nQ = 'SELECT 1 FROM entry'"),
    ("audit/log.py", "import threading\nlock = threading.Lock()"),
    ("audit/log.py", "while not done:\n    step()"),
    ("audit/log.py", '"""Prose."""\n"""SELECT the right one FROM these."""'),
    ("tokens/model.py", "from tokens import limits"),
    ("tokens/model.py", "Q = 'Update the token and set a limit'"),
    ("stage3/orchestrator.py", "from tokens.registry import TokenRegistry"),
    ("stage3/isolation/box.py", "from stage3.isolation.interface import Ok"),
    ("stage3/plan.py", "import re\nre.compile('a')"),
    ("stage3/plan.py", "class A:\n    'A.'\n    @x.setter\n    def x(self, v): ..."),
]


def _rule(name: str) -> Callable[[Source], list[str]]:
    return next(rule for rule in RULES if rule.__name__ == name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Callable[[Source], list[str]]) -> None:
    findings = [finding for source in product_sources() for finding in rule(source)]

    assert not findings, "\n".join(["", rule.__doc__ or "", *findings])


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_the_rule_catches_what_it_is_for(rule: str, path: str, text: str) -> None:
    assert _rule(rule)(parse_source(path, GOOD + text))


@pytest.mark.parametrize(("rule", "text"), BAD_SHAPES)
def test_the_shape_rule_catches_what_it_is_for(rule: str, text: str) -> None:
    assert _rule(rule)(parse_source("audit/log.py", text))


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_no_rule_complains_about_honest_code(path: str, text: str) -> None:
    source = parse_source(path, GOOD + text)

    assert not [finding for rule in RULES for finding in rule(source)]


def test_every_rule_is_shown_to_catch_something() -> None:
    shown = {rule for rule, *_ in [*BAD, *BAD_SHAPES]}

    assert shown == {rule.__name__ for rule in RULES}


def test_the_rules_name_only_modules_that_exist() -> None:
    known = {source.module for source in product_sources()}
    later = {"stage3.service", "stage3.mcp"}

    missing = sorted({*DECIDING, *FACES} - known - later)

    if missing and not ROOMS_ARE_COMPLETE:
        pytest.skip(f"not written yet: {', '.join(missing)}")
    assert not missing


@pytest.mark.parametrize("package", ["audit", "stage2_domains", "stage3", "tokens"])
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
