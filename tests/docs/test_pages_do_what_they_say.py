"""Every example of the README and of docs/ runs and gives what the page shows."""

from pathlib import Path

import pytest

from tests.docs.page_runner import SQL_NOTE, PageRunner, shows
from tests.docs.pages import ROOT, blocks

PAGES = [
    page.relative_to(ROOT)
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
]
RUNNABLE = {"python", "console", "sh"}
WITH_EXAMPLES = [
    page
    for page in PAGES
    if any(
        block.language in RUNNABLE for block in blocks((ROOT / page).read_text("utf-8"))
    )
]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=str)
def test_a_page_does_what_it_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAGE3_HOME", raising=False)
    found = blocks((ROOT / page).read_text("utf-8"))
    server = None
    if any(SQL_NOTE.fullmatch(block.note) for block in found):
        server = request.getfixturevalue("own_postgres")

    PageRunner(page, tmp_path, server).run()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/postgres.md", "docs/testing.md", "docs/tutorial.md"]
)
def test_the_pages_for_newcomers_have_examples_that_run(page: str) -> None:
    assert Path(page) in WITH_EXAMPLES


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("```python\nassert 1 == 2\n```\n", AssertionError),
        ("```python\nx = gone\n```\n", NameError),
        ("```console\n$ stage3 --version\nstage4 ...\n```\n", AssertionError),
        ("```console\n$ stage3 frobnicate\n```\n", AssertionError),
        ("```console\n$ stage3 --help\nstage3: USAGE: ...\n```\n", AssertionError),
        ("<!-- pytest -->\n```python\ndef test_x(): assert 0\n```\n", AssertionError),
    ],
)
def test_an_example_that_is_wrong_is_found(
    page: str, error: type[Exception], tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text(page)

    with pytest.raises(error):
        PageRunner(tmp_path / "page.md", tmp_path).run()


@pytest.mark.parametrize(
    ("expected", "came", "same"),
    [
        ("a  b\nc", "a b\n c\n", True),
        ("a ... d", "a b\nc d", True),
        ("a ... d", "a b c", False),
        ("a", "a b", False),
        ("1.5 (x)", "1.5 (x)", True),
        ("1.5", "1x5", False),
    ],
)
def test_dots_stand_for_anything_and_spaces_do_not_count(
    expected: str, came: str, *, same: bool
) -> None:
    assert shows(expected, came) is same
