"""Ordinary work that a domain may do. A box that stops any of it does not count."""

from __future__ import annotations

import array
import ast
import base64
import binascii
import bisect
import calendar
import collections
import contextlib
import copy
import csv
import dataclasses
import datetime as dt
import decimal
import difflib
import enum
import fractions
import functools
import hashlib
import heapq
import hmac
import html
import io
import itertools
import json
import math
import operator
import random
import re
import statistics
import string
import struct
import textwrap
import typing
import unicodedata
import urllib.parse
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BENIGN"]


@dataclasses.dataclass(order=True)
class Point:
    """A class made at import, as a domain's classes should be."""

    x: int
    y: int = 0
    names: list[str] = dataclasses.field(default_factory=list)


class Colour(enum.Enum):
    """An enumeration made at import."""

    RED = "red"
    BLUE = "blue"


class Pair(typing.NamedTuple):
    """A named tuple made at import."""

    left: int
    right: int


class WorkError(Exception):
    """An error of the domain's own."""


def decimals() -> object:
    with decimal.localcontext() as context:
        context.prec = 50
        return str(decimal.Decimal(2).sqrt() + decimal.Decimal("0.1"))


def regular_expressions() -> object:
    found = re.findall(r"(?P<word>\w+)@(\w+)\.org", "ann@site.org bob@home.org")
    return [re.sub(r"\s+", " ", " a  b "), [list(each) for each in found]]


def a_pattern_made_at_run_time() -> object:
    return bool(
        re.compile("|".join(re.escape(c) for c in "abc*?"), re.IGNORECASE).search("B")
    )


def hashing_ten_megabytes() -> object:
    return hashlib.sha256(b"x" * 10_000_000).hexdigest()


def other_hashes() -> object:
    return [
        hashlib.new("sha512", b"a").hexdigest()[:8],
        hashlib.blake2b(b"a").hexdigest()[:8],
        hmac.new(b"k", b"m", "sha256").hexdigest()[:8],
        zlib.crc32(b"a"),
        binascii.crc32(b"a"),
    ]


def big_integers() -> object:
    return len(str(math.factorial(800))) + pow(3, 10_000, 7) + math.isqrt(10**400) % 7


def dates() -> object:
    start = dt.datetime(2024, 2, 28, tzinfo=dt.UTC)
    days = [start + dt.timedelta(days=n) for n in range(3)]
    week = start.isocalendar()
    return [*(day.isoformat() for day in days), week.week, f"{start:%d %B %Y}"]


def dates_read_by_pattern() -> object:
    read = dt.datetime.strptime("2024-02-29 +0100", "%Y-%m-%d %z")
    return [read.isoformat(), dt.date.fromisoformat("2024-02-29").strftime("%A")]


def a_calendar() -> object:
    return [calendar.monthrange(2024, 2)[1], calendar.isleap(2024)]


def dataclass_instances() -> object:
    points = sorted(Point(n % 7, n, ["p"]) for n in range(100))
    return [
        repr(points[0]),
        dataclasses.asdict(points[-1])["y"],
        points[0] == points[1],
    ]


def a_deep_copy() -> object:
    before = {"a": [1, {"b": 2}]}
    after = copy.deepcopy(before)
    return after == before and after["a"] is not before["a"]


def enumerations_and_named_tuples() -> object:
    return [Colour("red").name, Pair(1, 2)._replace(right=3).right, *Pair(4, 5)]


def a_hundred_thousand_dicts() -> object:
    rows = [{"id": n, "name": f"row {n}", "half": n / 2} for n in range(100_000)]
    return sum(len(row) for row in rows)


def unicode_text() -> object:
    return [
        unicodedata.normalize("NFKC", "ﬁne ①"),
        "Straße".casefold(),
        unicodedata.name("é"),
        "naïve".encode().decode("latin-1").encode("latin-1").decode(),
    ]


def lazily_loaded_codecs() -> object:
    return [
        "bücher.example".encode("idna").decode(),
        "€".encode("cp1252").hex(),
        "é".encode("utf-16").decode("utf-16"),
        "é".encode("utf-32-le", "replace").decode("utf-32-le"),
        "bücher".encode("punycode").decode(),
        "x".encode("utf-8-sig").hex(),
    ]


def averages() -> object:
    values = [1.5, 2.5, 2.5, 8.0]
    return [
        statistics.fmean(values),
        statistics.median(values),
        statistics.pstdev(values),
        statistics.mode(values),
        statistics.quantiles(values, n=4),
        statistics.linear_regression(values, values).slope,
    ]


def json_text() -> object:
    return json.loads(json.dumps({"a": [1, 2.5, None, "é"]}, indent=1, sort_keys=True))


def mathematics() -> object:
    return [math.sqrt(2), math.comb(10, 3), math.fsum([0.1] * 10), math.gcd(12, 18)]


def iteration_tools() -> object:
    groups = itertools.groupby("aabbb")
    return [
        [(key, len(list(each))) for key, each in groups].__len__(),
        list(itertools.accumulate(range(5))),
        functools.reduce(operator.mul, range(1, 6)),
        len(list(itertools.permutations(range(4)))),
    ]


def collections_of_all_kinds() -> object:
    counted = collections.Counter("mississippi").most_common(2)
    queue = collections.deque(range(5), maxlen=3)
    by_length = collections.defaultdict(list)
    for word in ("a", "bb", "cc"):
        by_length[len(word)].append(word)
    heap = [3, 1, 2]
    heapq.heapify(heap)
    bisect.insort(heap, 2)
    chain = collections.ChainMap({"a": 1}, {"b": 2})
    return [counted[0][0], list(queue), by_length[2], heap[0], chain["b"]]


def text_formatting() -> object:
    return [
        f"{1234.5678:>12,.2f}|{'x':^5}|{255:#06x}|{0.25:%}",
        "{0!r:>6} {name}".format("a", name="b"),
        "%05d %s" % (42, "x"),  # noqa: UP031 - the old form is what is tried
        string.Template("$a and $b").substitute(a=1, b=2),
        "a-b".translate(str.maketrans("-", "_")).title(),
    ]


def sorting_by_keys() -> object:
    rows = [{"n": n % 5, "s": str(n)} for n in range(50)]
    rows.sort(key=lambda row: (row["n"], row["s"]), reverse=True)
    return [rows[0]["s"], max(rows, key=operator.itemgetter("n"))["n"]]


def exceptions_raised_and_caught() -> object:
    caught = []
    empty: list[int] = []
    for attempt in (lambda: 1 / 0, lambda: empty[0], lambda: {}["x"], lambda: int("x")):
        try:
            attempt()
        except (ArithmeticError, LookupError, ValueError) as error:
            caught.append(type(error).__name__)
    try:
        try:
            raise WorkError("inner")  # noqa: TRY301 - what is tried
        except WorkError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        caught.append(str(error.__cause__))
    return caught


def generators_and_closures() -> object:
    def count(up_to: int) -> Iterator[int]:
        try:
            yield from range(up_to)
        finally:
            seen.append("closed")

    seen: list[str] = []
    running = count(5)
    first = next(running)
    running.close()
    total = sum(n * first for n in count(3))
    return [first, total, seen]


def classes_and_properties() -> object:
    class Local:
        def __init__(self) -> None:
            self._value = 1

        @property
        def value(self) -> int:
            return self._value

        @functools.lru_cache  # noqa: B019 - what is tried
        def twice(self) -> int:
            return 2 * self.value

    return [Local().twice(), isinstance(Local(), Local), hasattr(Local, "value")]


def managed_contexts() -> object:
    with contextlib.suppress(KeyError), contextlib.ExitStack() as stack:
        stack.callback(list)
        raise KeyError("x")
    return True


def python_source() -> object:
    tree = ast.parse("def f(a, b=1):\n    return a + b\n")
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [names, ast.literal_eval("[1, (2, 3)]")[1][0], ast.get_docstring(tree)]


def broken_python_source() -> object:
    try:
        ast.parse("def f(:\n")
    except SyntaxError as error:
        return error.lineno
    return None


def wrapped_text() -> object:
    return [
        textwrap.fill("a long line " * 10, 40),
        textwrap.dedent("  x\n  y"),
        textwrap.shorten("one two three", 9),
        "\n".join(difflib.unified_diff(["a"], ["b"], lineterm="")),
        difflib.get_close_matches("appel", ["apple", "pear"]),
    ]


def web_text() -> object:
    return [
        html.escape("<a href='x'>"),
        html.unescape("&eacute;&#x41;"),
        urllib.parse.quote("a b/é"),
        urllib.parse.urlsplit("https://host:8/p?q=1#f").port,
        urllib.parse.parse_qs("a=1&a=2")["a"],
    ]


def encodings_of_bytes() -> object:
    return [
        base64.b64encode(b"\0\1").decode(),
        base64.urlsafe_b64decode("_-8=").hex(),
        struct.pack(">IH", 1, 2).hex(),
        zlib.decompress(zlib.compress(b"abc" * 100))[:3].decode(),
        array.array("i", [1, 2, 3]).tolist(),
        memoryview(b"abc")[1:].tobytes().decode(),
    ]


def text_files_in_memory() -> object:
    sheet = io.StringIO("a,b\n1,2\n")
    rows = list(csv.DictReader(sheet))
    out = io.StringIO()
    csv.writer(out).writerow(["x", 'y "z"'])
    return [rows[0]["b"], out.getvalue()]


def seeded_random_numbers() -> object:
    source = random.Random(42)  # noqa: S311 - not for secrets
    return [source.randint(1, 6), source.sample(range(100), 3)]


def fractions_and_complex_numbers() -> object:
    return [str(fractions.Fraction(1, 3) + fractions.Fraction("0.25")), abs(3 + 4j)]


def pattern_matching() -> object:
    match {"kind": "point", "at": [1, 2]}:
        case {"kind": "point", "at": [x, y]}:
            return x + y
        case _:
            return None


def recursion_two_hundred_deep() -> object:
    def depth(n: int) -> int:
        return 0 if n == 0 else 1 + depth(n - 1)

    return depth(200)


BENIGN: Final[tuple[Callable[[], object], ...]] = (
    decimals,
    regular_expressions,
    a_pattern_made_at_run_time,
    hashing_ten_megabytes,
    other_hashes,
    big_integers,
    dates,
    dates_read_by_pattern,
    a_calendar,
    dataclass_instances,
    a_deep_copy,
    enumerations_and_named_tuples,
    a_hundred_thousand_dicts,
    unicode_text,
    lazily_loaded_codecs,
    averages,
    json_text,
    mathematics,
    iteration_tools,
    collections_of_all_kinds,
    text_formatting,
    sorting_by_keys,
    exceptions_raised_and_caught,
    generators_and_closures,
    classes_and_properties,
    managed_contexts,
    python_source,
    broken_python_source,
    wrapped_text,
    web_text,
    encodings_of_bytes,
    text_files_in_memory,
    seeded_random_numbers,
    fractions_and_complex_numbers,
    pattern_matching,
    recursion_two_hundred_deep,
)
