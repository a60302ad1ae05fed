"""Rows held out must be such rows as a model is trained on."""

import numpy as np
import pytest

from chainrule.errors import DataError
from chainrule.evaluation.examples import Examples, check_alike, take_examples

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
X, Y, W = np.ones((8, 3)), np.arange(8), np.ones(8)


def taken(*data: object, dtype: np.dtype = F64) -> Examples:
    return take_examples(data, dtype)


# fmt: off
ALIKE = {
    "fewer rows": ((X, Y), (X[:2], Y[:2])),
    "other widths of integers": ((X, Y), (X, Y.astype(np.int32))),
    "unsigned integers": ((X, Y), (X, Y.astype(np.uint8))),
    "other widths of floats": ((X, Y), (X.astype(np.float32), Y)),
    "booleans for integers": ((X, Y), (X, Y > 3)),
    "a tree": (({"a": X, "b": [Y]}, W), ({"b": [Y[:3]], "a": X[:3]}, W[:3])),
    "images": ((np.ones((4, 5, 5, 1)),), (np.ones((2, 5, 5, 1)),)),
    "weights in the training alone": ((X, Y, W), (X, Y)),
    "weights in the validation alone": ((X, Y), (X, Y, W)),
}
UNLIKE = {
    "another width": (
        (X, Y), (np.ones((100, 4)), np.arange(100)),
        "validation[0]: f64[100, 4]; expected the shape of data[0], 3 columns"),
    "one column": (
        (X[:, :1],), (X,), "validation[0]: f64[8, 3]; expected the shape of data[0], 1 column"),
    "a column for a row of numbers": (
        (X, W), (X, W[:, None]),
        "validation[1]: f64[8, 1]; expected the shape of data[1], one number a row"),
    "flat images": (
        (np.ones((4, 5, 6)),), (np.ones((2, 30)),),
        "validation[0]: f64[2, 30]; expected the shape of data[0], rows of (5, 6)"),
    "no targets": (
        (X, Y), (X,),
        "validation: validation[0]; expected the same tree as data: data[0], data[1]"),
    "another name": (
        ({"a": X},), ({"b": X},),
        "validation: validation[0.b]; expected the same tree as data: data[0.a]"),
    "a list for a tuple": (([X],), ((X,),), "expected the same tree as data: PyTreeSpec"),
    "a leaf of a tree": (
        ({"a": X, "b": X}, Y), ({"a": X, "b": X[:, :2]}, Y),
        "validation[0.b]: f64[8, 2]; expected the shape of data[0.b], 3 columns"),
    "weights of another shape": (
        (X, Y, W), (X, Y, X), "validation[2]: f64[8, 3]; expected the shape of data[2]"),
}
# fmt: on


@pytest.mark.parametrize("name", ALIKE)
def test_rows_of_the_same_form_pass(name):
    data, validation = ALIKE[name]
    for dtype in (F32, F64):
        check_alike(taken(*data, dtype=dtype), taken(*validation, dtype=dtype))


@pytest.mark.parametrize("name", UNLIKE)
def test_rows_of_another_form_are_refused_with_what_is_expected(name):
    data, validation, message = UNLIKE[name]
    with pytest.raises(DataError) as caught:
        check_alike(taken(*data), taken(*validation))
    assert message in caught.value.message
    assert caught.value.hint
