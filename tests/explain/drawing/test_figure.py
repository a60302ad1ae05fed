"""Pictures are whole, safe, small and told in words too."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from chainrule.explain.drawing import Figure
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width

SVG = "{http://www.w3.org/2000/svg}"


def curve(**options):
    figure = Figure(title="A curve", description="It falls.")
    axes = figure.axes(x="epoch", y="loss (nats)", **options)
    return figure, axes


def parsed(figure):
    return ET.fromstring(figure.svg())


def words(figure):
    """Every upright text with its estimated box: (text, left, top, right, bottom)."""
    found = []
    for text in parsed(figure).iter(f"{SVG}text"):
        if text.get("transform"):
            continue
        wide, x, y = width(text.text, SIZE), float(text.get("x")), float(text.get("y"))
        left = x - {"middle": wide / 2, "end": wide}.get(text.get("text-anchor"), 0.0)
        found.append((text.text, left, y - 0.75 * SIZE, left + wide, y + 0.2 * SIZE))
    return found


def assert_legible(figure):
    """No text leaves the picture, none meets another."""
    _, _, wide, high = (float(v) for v in parsed(figure).get("viewBox").split())
    boxes = words(figure)
    for k, (text, left, top, right, bottom) in enumerate(boxes):
        assert left > -1, text
        assert right < wide + 1, text
        assert top > -1, text
        assert bottom < high + 1, text
        for other, l2, t2, r2, b2 in boxes[:k]:
            meets = left < r2 - 1 and l2 < right - 1 and top < b2 - 1 and t2 < bottom - 1
            assert not meets, (text, other)


def every_mark(axes):
    x = np.linspace(1, 10, 20)
    axes.line(x, x**2, label="line")
    axes.line(x, x, label="dashed", color=1, dash=True, opacity=0.5)
    axes.area(x, x, x**2, color=2, label="area")
    axes.bars(x, x, label="bars", color=3)
    for k, marker in enumerate(("circle", "square", "cross", "triangle", "star")):
        axes.points(x + k, x, label=marker, color=k, marker=marker)
    axes.arrow(2, 2, 8, 80, "gradient")
    axes.text(5, 50, "here", anchor="middle")
    axes.vertical(4, "stop")
    axes.horizontal(20, "bound")


@pytest.mark.parametrize("x_scale", ["linear", "log"])
@pytest.mark.parametrize("y_scale", ["linear", "log"])
@pytest.mark.parametrize("size", [(640, 400), (320, 300), (960, 240)])
def test_every_mark_on_every_scale_is_whole_xml_with_legible_words(x_scale, y_scale, size):
    figure = Figure(*size, title="All the marks there are on one pair of axes", description="all")
    every_mark(figure.axes(x="x (m)", y="y (s)", x_scale=x_scale, y_scale=y_scale))
    assert_legible(figure)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", figure.svg()).lower()


def test_a_picture_is_told_in_words_whose_ids_are_its_own():
    figure, axes = curve()
    axes.line([0, 1], [1, 0])
    root = parsed(figure)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert root.get("role") == "img"
    assert set(root.get("aria-labelledby").split()) <= set(ids)
    assert len(ids) == len(set(ids))
    other, axes = curve()
    axes.line([0, 1], [1, 0.5])
    assert not set(ids) & {e.get("id") for e in parsed(other).iter() if e.get("id")}


def test_the_same_calls_make_the_same_bytes():
    first, axes = curve()
    axes.line([0, 1], [1, 0])
    second, axes = curve()
    axes.line([0, 1], [1, 0])
    assert first.svg() == second.svg() == first.svg()


@pytest.mark.parametrize("text", ['<script>alert("1")</script>', "a & b", "\x00\x1b[31m", "\ud800"])
def test_odd_texts_are_escaped_everywhere(text):
    figure = Figure(title=text, description=text)
    axes = figure.axes(x=text, y=text, title=text)
    axes.line([0, 1], [0, 1], label=text)
    axes.text(0.5, 0.5, text)
    axes.vertical(0.2, text)
    axes.contours([0, 1], [0, 1], [[0, 1], [2, 3]], label=text)
    ET.fromstring(figure.svg().encode("utf-8"))
    assert "<script" not in figure.svg()


def test_numbers_that_are_not_finite_are_gaps_and_said_so():
    figure, axes = curve()
    axes.line([0, 1, 2, 3, 4], [0, 1, np.nan, 3, np.inf], label="loss")
    assert "2 of 5 values of “loss” are not finite" in figure.svg()
    data = [p.get("d") for p in parsed(figure).iter(f"{SVG}path")]
    assert any(d.count("M") == 2 for d in data)


def test_a_logarithmic_axis_says_what_has_no_place_on_it():
    figure, axes = curve(y_scale="log")
    axes.line([0, 1, 2], [1.0, 0.0, -1.0])
    assert "2 of 3 values are zero or less" in figure.svg()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[], [np.nan], [5.0], [3.0, 3.0], [1e300, -1e300], [0.0]])
def test_little_or_nothing_is_drawn_without_an_error(values, log):
    figure, axes = curve(y_scale="log" if log else "linear")
    axes.line(range(len(values)), values, label="line")
    axes.points(range(len(values)), values)
    axes.bars(range(len(values)), values)
    axes.area(range(len(values)), values, values)
    assert_legible(figure)


@pytest.mark.slow
def test_a_line_of_a_million_steps_keeps_its_extremes_and_stays_small():
    """The highest and the lowest of all points are among those that are drawn."""
    y = np.random.default_rng(0).normal(size=1_000_000)
    y[123_456], y[654_321] = 50.0, -50.0
    figure, axes = curve(y_range=(-50, 50))
    axes.line(np.arange(len(y)), y)
    svg = figure.svg()
    assert len(svg) < 100_000
    data = max((p.get("d") for p in parsed(figure).iter(f"{SVG}path")), key=len)
    heights = [float(pair.split(",")[1]) for pair in data[1:].split(" ")]
    frame = next(e for e in parsed(figure).iter(f"{SVG}clipPath"))[0]
    top, high = float(frame.get("y")) + 1, float(frame.get("height")) - 2
    assert min(heights) == pytest.approx(top, abs=0.02)
    assert max(heights) == pytest.approx(top + high, abs=0.02)


def test_many_points_are_thinned_and_said_so():
    rng = np.random.default_rng(0)
    figure, axes = curve()
    axes.points(rng.normal(size=100_000), rng.normal(size=100_000), size=1)
    assert "more lie among them" in figure.svg()
    assert len(figure.svg()) < 100_000


def test_a_path_that_turns_back_keeps_its_shape():
    t = np.linspace(0, 200, 100_000)
    figure, axes = curve()
    axes.line(t * np.cos(t), t * np.sin(t))
    assert 10_000 < len(figure.svg()) < 500_000


def test_words_that_want_one_place_move_aside():
    figure, axes = curve()
    for k in range(8):
        axes.text(0.5, 0.5, f"name {k}")
    axes.text(1.0, 1.0, "at the edge and long enough to be cut if it stayed there")
    assert_legible(figure)
    assert sum(text.startswith("name") for text, *_ in words(figure)) == 8


def test_equal_axes_make_a_right_angle_right():
    """One unit is as long across as upwards."""
    figure, axes = curve(equal=True)
    axes.line([0, 1], [0, 0])
    axes.line([0, 0], [0, 1])
    lines = [p.get("d") for p in parsed(figure).iter(f"{SVG}path") if p.get("stroke-linejoin")]
    ends = [[[float(v) for v in at.split(",")] for at in d[1:].split(" ")] for d in lines[:2]]
    lengths = [np.hypot(*(np.array(b) - np.array(a))) for a, b in ends]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-3)


def test_contours_lie_where_the_function_has_their_level():
    """The level 1 of x² + y² is a circle of radius one."""
    x = np.linspace(-2, 2, 161)
    figure = Figure(title="Circle", description="")
    axes = figure.axes(x="x", y="y", x_range=(-2, 2), y_range=(-2, 2))
    axes.contours(x, x, x[None, :] ** 2 + x[:, None] ** 2, levels=[1.0], filled=False)
    data = max((p.get("d") for p in parsed(figure).iter(f"{SVG}path")), key=len)
    frame = next(e for e in parsed(figure).iter(f"{SVG}clipPath"))[0]
    wide, high = (float(frame.get(n)) - 2 for n in ("width", "height"))
    left, top = float(frame.get("x")) + 1, float(frame.get("y")) + 1
    at = np.array([[float(v) for v in p.split(",")] for p in data[1:].split(" ")])
    u, v = (at[:, 0] - left) / wide * 4 - 2, (at[:, 1] - top) / high * 4 - 2
    assert np.hypot(u, v) == pytest.approx(np.ones(len(at)), abs=2e-3)


@pytest.mark.parametrize("z", [np.zeros((5, 5)), np.full((5, 5), np.nan), np.eye(5) * 1e300])
@pytest.mark.parametrize("filled", [True, False])
def test_odd_fields_are_drawn_without_an_error(z, filled):
    figure, axes = curve()
    axes.contours(np.arange(5), np.arange(5), z, filled=filled)
    figure.axes().heat(z)
    figure.axes().heat(z, kind="diverging", values=True)
    figure.surface(np.arange(5), np.arange(5), z)
    ET.fromstring(figure.svg())


def test_a_table_of_colours_has_its_first_row_on_top():
    figure, axes = curve(x_names=["cat", "dog"], y_names=["cat", "dog"])
    axes.heat([[53, 11], [27, 74]], values=True)
    at = {text: (left, top) for text, left, top, *_ in words(figure)}
    assert at["53"][1] == at["11"][1] < at["74"][1]
    assert at["53"][0] == at["27"][0] < at["74"][0]


def test_a_surface_has_one_face_per_cell_and_its_path():
    figure = Figure(title="Bowl", description="")
    x, y = np.linspace(-1, 1, 11), np.linspace(-1, 1, 9)
    figure.surface(x, y, x[None, :] ** 2 + y[:, None] ** 2, path=[[-1, -1], [0, 0]])
    faces = [p for p in parsed(figure).iter(f"{SVG}path") if p.get("fill", "").startswith("#")]
    assert len(faces) == 10 * 8
    assert_legible(figure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.axes().line([1, 2], [1]), "differ in length: 2 ≠ 1"),
        (lambda f: f.axes().points([1], [1], marker="heart"), "marker is one of"),
        (lambda f: f.axes().line([1], [1], color="red"), "color: expected"),
        (lambda f: f.axes(x_scale="symlog"), "x_scale: expected"),
        (lambda f: f.axes().heat([1, 2]), r"got \(2,\)"),
        (lambda f: f.axes().heat([[1]], kind="hot"), "kind is"),
        (lambda f: f.axes().contours([1, 2], [1, 2], [[1, 2]]), "contours: expected"),
        (lambda f: f.axes().contours([2, 1], [1, 2], [[1, 2], [3, 4]]), "must rise"),
        (lambda f: f.surface([1, 2], [1], [[1, 2]]), "surface: expected"),
        (lambda f: f.axes().text(0, 0, "a", anchor="left"), "anchor is"),
        (lambda f: Figure(10, 10), "100 × 100"),
    ],
)
def test_a_wrong_call_says_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(Figure())


def test_pictures_follow_the_scheme_of_the_reader_and_of_the_page():
    svg = Figure(title="t").svg()
    for rule in ("prefers-color-scheme:dark", "[data-theme=&quot;dark&quot;]", "@media print"):
        assert rule in svg or rule.replace("&quot;", '"') in svg


def test_a_saved_picture_is_what_is_shown(tmp_path):
    figure, axes = curve()
    axes.line([0, 1], [0, 1])
    figure.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == figure.svg() + "\n"
    assert figure._repr_svg_() == figure.svg()
