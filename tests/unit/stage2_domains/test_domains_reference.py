"""The reader's page says what the code says: DOM-7.7."""

from stage2_domains.registry import DomainRegistry
from tests.unit.stage2_domains.reference_page import PAGE, render


def test_the_reference_page_is_what_the_domains_declare_and_answer() -> None:
    """DOM-7.7: run ``reference_page.py`` to write the page anew."""
    assert PAGE.read_text("utf-8") == render()


def test_the_python_of_the_page_says_what_it_gives() -> None:
    """DOM-7.7."""
    found = DomainRegistry.builtin().get("apollo")
    assert found is not None

    sentence = found.methods["analyze_habits"].check_parameters({})

    assert f'# "{sentence}"' in PAGE.read_text("utf-8")
