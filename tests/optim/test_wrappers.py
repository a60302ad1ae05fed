"""What optimisers around optimisers do: clipping, accumulation, averages, groups."""

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.errors import TrainingError
from chainrule.tracing.trees import named_leaves, tree_map


def walk(optimizer, gradients, params, rate=1.0):
    """The parameters after each gradient, and the last state."""
    state, found = optimizer.init(params), []
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params, rate)
        found.append(params)
    return found, state


# -- clipping and accumulation -----------------------------------------------------------------


def test_clipped_gradient_has_the_norm_over_all_leaves():
    params = {"a": np.zeros(2), "b": np.zeros((1, 1))}
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    (stepped,), _ = walk(optim.clip_norm(optim.SGD(1.0), 0.5), [grads], params)
    length = np.sqrt(sum(np.sum(x**2) for x in stepped.values()))
    assert length == pytest.approx(0.5, rel=1e-6)


def test_short_gradient_is_left_as_it_is():
    (p,), _ = walk(optim.clip_norm(optim.SGD(1.0), 5.0), [np.array([0.3, 0.4])], np.zeros(2))
    np.testing.assert_array_equal(p, [-0.3, -0.4])


def test_accumulated_gradients_are_one_update_with_their_mean():
    """Adam after 6 gradients by threes is Adam after the two means, parameters still between."""
    gradients = np.random.default_rng(0).normal(size=(6, 4))
    by_threes, _ = walk(optim.accumulate(optim.Adam(0.1), 3), gradients, np.ones(4), 0.1)
    means, _ = walk(optim.Adam(0.1), gradients.reshape(2, 3, 4).mean(axis=1), np.ones(4), 0.1)
    np.testing.assert_array_equal(by_threes[1], np.ones(4))
    np.testing.assert_allclose(by_threes[2], means[0], rtol=1e-12)
    np.testing.assert_array_equal(by_threes[4], by_threes[2])
    np.testing.assert_allclose(by_threes[5], means[1], rtol=1e-12)


def test_what_was_infinite_does_not_stay_in_the_sum():
    """An overflow spoils its own update's gradient, and the sum begins at 0 after it."""
    optimizer = optim.accumulate(optim.SGD(0.1), 1)
    _, state = walk(optimizer, [np.array([np.inf])], np.zeros(1))
    np.testing.assert_array_equal(state["sum"], [0.0])


# -- averages ----------------------------------------------------------------------------------

RAMP = [np.array([-1.0])] * 20  # with a rate of 1 the iterates are 1, 2, 3, ...


def averaged(count, *args, **options):
    optimizer = optim.average(optim.SGD(1.0), *args, **options)
    found, state = walk(optimizer, RAMP[:count], np.zeros(1))
    return optimizer.evaluation(found[-1], state)[0]


def test_swa_is_the_mean_of_every_so_many_from_the_start():
    assert averaged(10, "swa") == pytest.approx(np.mean(range(1, 11)))
    assert averaged(10, "swa", start=4) == pytest.approx(np.mean(range(5, 11)))
    assert averaged(10, "swa", start=3, every=3) == pytest.approx(np.mean([4, 7, 10]))


def test_before_the_start_the_evaluation_is_the_iterate():
    assert averaged(3, "swa", start=5) == 3.0
    assert averaged(3, "ema", start=5) == 3.0
    assert averaged(3, "suffix", start=5) == 3.0


def test_ema_begins_with_the_first_iterate():
    """1, then 0.75 · 1 + 0.25 · 2, then 0.75 · 1.25 + 0.25 · 3."""
    assert [averaged(k, "ema", decay=0.75) for k in (1, 2, 3)] == [1.0, 1.25, 1.6875]


@pytest.mark.parametrize("count", range(1, 21))
def test_suffix_is_the_mean_over_half_to_three_quarters(count):
    """Its mean is that of the last m, with m from half of all to three quarters."""
    got = averaged(count, "suffix")
    means = {np.mean(range(count - m + 1, count + 1)): m for m in range(1, count + 1)}
    m = means[got]
    assert count / 2 <= m <= max(0.75 * count, 2)


def test_an_average_that_waits_begins_when_it_is_told():
    optimizer = optim.clip_norm(optim.average(optim.SGD(1.0), "swa", start=None), 10.0)
    found, state = walk(optimizer, RAMP[:4], np.zeros(1))
    assert optimizer.evaluation(found[-1], state)[0] == pytest.approx(4.0, rel=1e-5)
    state, params = optimizer.begin_average(state), found[-1]
    for gradient in RAMP[:2]:
        params, state = optimizer.update(gradient, state, params, 1.0)
    assert optimizer.evaluation(params, state)[0] == pytest.approx(5.5, rel=1e-5)
    assert optimizer.begin_average(state)["inner"]["start"] == 4  # told again: nothing changes


def test_what_keeps_no_average_says_so():
    with pytest.raises(TrainingError, match=r"Adam keeps no average.*\n.*optim\.average"):
        optim.Adam().begin_average({})


# -- groups ------------------------------------------------------------------------------------


def test_groups_step_as_their_optimisers_do_alone():
    model = nn.MLP([3, 4, 2], rng=0)
    grads = tree_map(np.cos, model)
    optimizer = optim.groups(
        {"*bias": optim.Lion(0.5), lambda name, x: x.shape == (4, 3): None}, optim.Adam(0.1)
    )
    found, _ = walk(optimizer, [grads, grads], model, 0.1)
    after, before = named_leaves(found[-1]), named_leaves(model)
    adam = named_leaves(walk(optim.Adam(0.1), [grads, grads], model, 0.1)[0][-1])
    lion = named_leaves(walk(optim.Lion(0.5), [grads, grads], model, 0.5)[0][-1])
    for name, leaf in after.items():
        frozen = before[name].shape == (4, 3)
        expected = lion if "bias" in name else before if frozen else adam
        np.testing.assert_array_equal(leaf, expected[name])


def test_numbers_share_one_rate_and_schedules_have_their_own():
    numbers = optim.groups({"a": optim.SGD(0.2), "b": 3.0}, optim.SGD(0.1))
    assert numbers.rates == 1
    np.testing.assert_array_equal(numbers.learning_rates(np.arange(2), 2), [0.1, 0.1])
    several = optim.groups(
        {"a": optim.SGD(0.2), "b": optim.SGD(optim.cosine(0.1))}, optim.SGD(optim.cosine(0.1))
    )
    assert several.rates == 2
    rates = several.learning_rates(np.arange(4), 4)
    np.testing.assert_array_equal(rates[:, 0], optim.cosine(0.1)(np.arange(4), 4))
    np.testing.assert_array_equal(rates[:, 1], 0.2)


@pytest.mark.parametrize("default", [0.1, optim.cosine(0.1)], ids=["number", "schedule"])
def test_each_group_takes_its_own_rate(default):
    params = {name: np.zeros(1) for name in "abc"}
    optimizer = optim.groups({"a": optim.SGD(0.2), "b": 3.0}, optim.SGD(default))
    rates = optimizer.learning_rates(np.arange(4), 4)[0]
    (stepped,), _ = walk(optimizer, [tree_map(np.ones_like, params)], params, rates)
    assert [stepped[name][0] for name in "abc"] == pytest.approx([-0.2, -0.3, -0.1])


def test_the_first_pattern_that_fits_takes_a_leaf():
    optimizer = optim.groups({"a*": None, "*b": 2.0}, optim.SGD(1.0))
    params = {"ab": np.zeros(1), "cb": np.zeros(1)}
    (stepped,), _ = walk(optimizer, [tree_map(np.ones_like, params)], params)
    assert (stepped["ab"][0], stepped["cb"][0]) == (0.0, -2.0)


def test_groups_within_groups():
    inner = optim.groups({"*b": None}, optim.SGD(optim.cosine(1.0)))
    outer = optim.groups({"x*": inner}, optim.SGD(0.5))
    params = {"xa": np.zeros(1), "xb": np.zeros(1), "y": np.zeros(1)}
    rates = outer.learning_rates(np.arange(2), 2)[0]
    (stepped,), _ = walk(outer, [tree_map(np.ones_like, params)], params, rates)
    assert {k: v[0] for k, v in stepped.items()} == {"xa": -1.0, "xb": 0.0, "y": -0.5}


def test_a_pattern_that_nothing_answers_to_is_named():
    optimizer = optim.groups({"layers.9.*": None}, optim.SGD(0.1))
    with pytest.raises(TrainingError, match=r"no parameter is left for 'layers.9.\*'") as error:
        optimizer.init(nn.MLP([3, 4, 2]))
    assert "layers.0.weight" in error.value.hint


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.clip_norm(optim.SGD(0.1), 0.0), "ClipNorm: max_norm is 0.0"),
        (lambda: optim.clip_value("adam", 1.0), "ClipValue: optimizer is 'adam'"),
        (lambda: optim.accumulate(optim.SGD(0.1), 0), "Accumulate: every is 0"),
        (lambda: optim.average(optim.SGD(0.1), "polyak"), "kind is 'polyak'; expected 'ema'"),
        (lambda: optim.average(optim.SGD(0.1), "suffix", every=2), "every is 2"),
        (lambda: optim.groups({"a": "adam"}, optim.SGD(0.1)), "the factor for 'a' is 'adam'"),
        (lambda: optim.groups({3: None}, optim.SGD(0.1)), "3; expected a glob"),
        (lambda: optim.groups({}, 0.1), "default is 0.1; expected an optimiser"),
        (lambda: optim.Adam(betas=(0.9, 1.0)), r"Adam: betas\[1\] is 1.0"),
        (lambda: optim.Adam(betas=0.9), "Adam: betas is 0.9; expected two numbers"),
        (lambda: optim.Adam(eps=-1.0), "Adam: eps is -1.0"),
        (lambda: optim.Adam(amsgrad="yes"), "Adam: amsgrad is 'yes'; expected True or False"),
        (lambda: optim.RMSprop(momentum=1.0), "RMSprop: momentum is 1.0"),
        (lambda: optim.Muon(adjust="none"), "Muon: adjust is 'none'"),
        (lambda: optim.Muon(iterations=0), "Muon: iterations is 0"),
        (lambda: optim.Prodigy(d0=0), "Prodigy: d0 is 0"),
        (lambda: optim.Prodigy(growth=0.5), "Prodigy: growth is 0.5"),
    ],
)
def test_arguments_outside_of_their_range_are_refused(make, words):
    with pytest.raises(TrainingError, match=words):
        make()
