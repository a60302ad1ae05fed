"""Pages open from a disk, load nothing, and parse strictly."""

import re

import html5lib
import pytest

from chainrule.explain.page import (
    Html,
    document,
    escape,
    figure,
    formula,
    fragment,
    listing,
    paragraph,
    section,
    table,
)

ODD = [
    "<script>alert(1)</script>",
    "a & b",
    "\"quoted\" 'text'",
    "\x00\x1b",
    "\ud800",
    "中文 ∂L/∂θ",
]
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" aria-labelledby="cr0123456789-title">'
    '<title id="cr0123456789-title">t</title></svg>'
)


def strictly(page):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_escaped_everywhere(text):
    body = table([text, "n"], [[text, 1]], caption=text) + listing(text, text) + paragraph(text)
    body += formula("<math><mi>x</mi></math>", text) + figure(SVG, text)
    page = document(text, [section(text, body), section(text, body)])
    strictly(page)
    page.encode("utf-8")
    assert "<script" not in page


def test_a_page_forbids_scripts_and_all_that_is_fetched():
    page = document("Run", [section("a", "b")])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert not re.search(r'(src|href)="(?!#)', page)


def test_sections_of_one_title_have_ids_of_their_own():
    tree = strictly(
        document("Run", [section("Loss", "1"), section("Loss", "2"), section("中", "3")])
    )
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    links = [a.get("href")[1:] for a in tree.iter("a")]
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)
    assert len(links) == 4


def test_a_picture_that_is_there_twice_has_two_names():
    tree = strictly(document("Run", [section("a", SVG + SVG), section("b", SVG)]))
    ids = [e.get("id") for e in tree.iter() if "title" in (e.get("id") or "")]
    assert len(ids) == len(set(ids)) == 3


def test_numbers_stand_on_the_right_and_rows_are_named():
    tree = strictly(fragment_page(table(["layer", "norm"], [["W¹", 0.5], ["W²", "−1.2×10⁻⁸"]])))
    cells = list(tree.iter("td"))
    assert [c.get("class") for c in cells] == ["cr-number"] * 2
    assert [h.get("scope") for h in tree.iter("th")] == ["col", "col", "row", "row"]


def fragment_page(body):
    return f"<!DOCTYPE html><html lang='en'><head><title>t</title></head><body>{body}</body></html>"


NUMBERS = ["1", "-1", "−1", "1,000", "0.001", "10⁻⁸", "2.5×10⁻⁸", "1e-5", "5%", "NaN", "—", "∞"]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_reads_as_a_number_is_one(number):
    assert 'td class="cr-number"' in table(["a", "b"], [["x", number]])


@pytest.mark.parametrize("text", ["a1", "1 of 2", "3 → 4", "x"])
def test_what_does_not_read_as_a_number_is_none(text):
    assert "cr-number" not in table(["a", "b"], [["x", text]])


def test_boxes_that_scroll_can_be_reached_by_keyboard_and_have_a_name():
    for box in (table(["a"], [["b"]]), listing("text"), formula("<math></math>")):
        assert 'tabindex="0"' in box
        assert "aria-label=" in box


def test_cells_that_are_html_stay_html():
    assert "<b>x</b>" in table(["a"], [[Html("<b>x</b>")]])


def test_odd_cells_are_shown():
    shown = table(["a", "b"], [[None, True], [float("nan"), float("-inf")], [10**30, -0.5]])
    strictly(fragment_page(shown))
    assert "True" in shown
    assert "−0.5" in shown


def test_the_rules_of_a_fragment_reach_nothing_outside():
    """Every rule begins below ``.cr-page``, of the page or of a scheme around it."""
    style = re.search(r"<style>(.*?)</style>", fragment("<p>x</p>"), re.DOTALL)[1]
    style = re.sub(r"@media[^{]*\{", "", style)
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", style)
    assert all(".cr-page" in part for rule in rules for part in rule.split(",") if part.strip())


def test_text_is_escaped_for_attributes_too():
    assert escape("\"'<>&") == "&quot;&#x27;&lt;&gt;&amp;"
