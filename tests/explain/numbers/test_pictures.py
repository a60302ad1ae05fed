"""The drawings and the animation: whole, safe to open, nothing over anything else."""

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ET

import html5lib
import numpy as np
import pytest

from chainrule import losses, nn
from chainrule.explain.numbers import backpropagation
from chainrule.explain.numbers.boxes import MOST
from chainrule.explain.numbers.dense import dense_chain
from chainrule.explain.numbers.placing import placed
from tests.explain.numbers.cases import CASES, explained

RNG = np.random.default_rng(8)


def digits(rows=1):
    x = RNG.normal(size=(rows, 784)).astype(np.float32)
    return backpropagation(
        nn.MLP([784, 128, 10], rng=0), losses.cross_entropy, (x, np.arange(rows) % 10)
    )


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_valid_and_told_in_words(name):
    """XML with a title, a description and no number that is none."""
    for svg in explained(name).pictures().values():
        root = ET.fromstring(svg)
        assert root.find("{*}title").text
        assert len(root.find("{*}desc").text) > 20
        assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)


def test_units_of_a_dense_chain_are_its_own_numbers():
    """Value after the activation, δ = ∂L/∂z, W and ∂L/∂W with a row per unit."""
    found = explained("mlp")
    x, hidden, out = dense_chain(found)
    model = found.subject.model
    np.testing.assert_allclose(x.value, np.mean(found.subject.leaves["x"], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(hidden.weight, model.layers[0].weight)
    np.testing.assert_array_equal(hidden.gradient, found.gradients["layers.0.weight"])
    np.testing.assert_allclose(hidden.delta, found.gradients["layers.0.bias"], rtol=1e-5)
    np.testing.assert_allclose(out.delta, found.gradients["layers.1.bias"], rtol=1e-5)
    assert (hidden.kind, out.kind) == ("Linear, relu", "Linear")


def test_a_matrix_that_is_applied_from_the_left_or_untransposed_has_a_row_per_unit():
    """x @ w has w (n_in, n_out), w @ x has (n_out, n_in)."""
    w, x = RNG.normal(size=(3, 4)), RNG.normal(size=4)
    left = dense_chain(backpropagation(lambda w, x: np.sum((w @ x) ** 2), w, x))
    right = dense_chain(backpropagation(lambda w, x: np.sum((x @ w) ** 2), w.T.copy(), x))
    for chain in (left, right):
        np.testing.assert_array_equal(chain[1].weight, w)
        np.testing.assert_allclose(chain[1].gradient, 2 * np.outer(w @ x, x), rtol=1e-12)


@pytest.mark.parametrize("name", ["convolutional", "transformer", "gru", "residual"])
def test_what_is_no_dense_chain_is_drawn_as_boxes(name):
    """One picture, of layers."""
    assert list(explained(name).pictures()) == ["layers"]


def test_784_inputs_are_an_image_and_the_largest_units_are_named():
    """28 × 28 pixels, ten of 128 units, and it is said how many are not shown."""
    svg = digits().pictures()["network"]
    assert "28 × 28" in svg
    assert "+ 118 more" in svg
    assert svg.count("<image") == 2
    assert svg.count("<circle") == 3 * 20
    assert len(svg) < 100_000


def test_many_layers_are_drawn_together_and_that_is_said():
    """No more than 32 boxes."""
    w = RNG.normal(size=(3, 3))

    def long(w):
        g = np.ones(3)
        for _ in range(60):
            g = np.tanh(w @ g)
        return np.sum(g)

    svg = backpropagation(long, w).svg()
    assert f"are drawn as {MOST} boxes" in ET.fromstring(svg).find("{*}desc").text
    assert svg.count("<rect") <= 2 * MOST + 8


def graphs():
    """Graphs without loops, of 5 to 60 boxes of different sizes."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(5, 61))
        edges = {(k, k + 1) for k in range(count - 1) if rng.random() < 0.8}
        edges |= {
            tuple(sorted(rng.choice(count, 2, replace=False).tolist())) for _ in range(count // 3)
        }
        yield rng.uniform(40, 200, count).tolist(), sorted(edges)


@pytest.mark.parametrize(("sizes", "edges"), list(graphs()), ids=range(12))
def test_boxes_do_not_overlap_and_edges_go_forwards(sizes, edges):
    """In each rank neighbours are a gap apart; lines that pass a rank keep off its boxes."""
    found = placed(sizes, edges, 20.0)
    assert all(found.rank[a] < found.rank[b] for a, b in edges)
    spans = [
        (found.rank[k], found.across[k] - size / 2, found.across[k] + size / 2)
        for k, size in enumerate(sizes)
    ]
    for (rank, low, high), (other, other_low, other_high) in itertools.combinations(spans, 2):
        assert rank != other or high + 19.9 <= other_low or other_high + 19.9 <= low
    for ways in found.ways.values():
        for rank, across in ways:
            assert not any(r == rank and low - 1 < across < high + 1 for r, low, high in spans)
    assert min(low for _, low, _ in spans) >= -1e-6
    assert max(high for _, _, high in spans) <= found.extent + 1e-6


@pytest.mark.parametrize("name", CASES)
def test_the_animation_goes_forwards_to_the_loss_and_back(name):
    """A step for each layer forwards, one for the loss, one for each layer backwards."""
    found = explained(name)
    page = found.animation()
    phases = re.findall(r'data-phase="(\w+)"><h2>', page)
    count = min(len(found.layers), 48)
    assert phases == ["forward"] * (count - 1) + ["loss"] + ["backward"] * count
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(page)
    names = [element.get("aria-label") or element.text for element in tree.iter("button")]
    assert names == ["First step", "Back one step", "Play", "Next step", "Last step"]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_animation_loads_nothing_and_runs_its_own_script_alone():
    """The policy names the script by its digest; the only address is a namespace."""
    page = digits().animation()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert set(re.findall(r"https?://[^\"' )]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "eval(" not in page
    assert "prefers-reduced-motion" in page
    assert len(page) < 1_000_000


def test_a_batch_is_drawn_by_its_means():
    """And said to be."""
    svg = digits(rows=12).pictures()["network"]
    assert "mean over the rows" in " ".join(re.sub(r"<[^>]*>", " ", svg).split())


def test_names_with_odd_characters_break_no_markup():
    """They are escaped wherever they stand."""
    found = explained("names")
    for markup in (found.svg(), found._repr_html_(), found.animation()):
        assert 'a<b>&"' not in markup
    ET.fromstring(found.svg())
