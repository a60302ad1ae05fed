"""FILE.py:function and the values of its arguments."""

import numpy as np
import pytest

from chainrule.cli.functions import function_and_arguments, names_a_function
from chainrule.cli.outcome import OptionError
from chainrule.errors import ChainruleError, DataError

SOURCE = """
import numpy as np
print("a line of the user's")
x = np.array([1.0, 2.0])
def loss(w, x, b=1.0, n: int = 2, labels=np.array([0, 1])):
    return w * np.sum(x) ** n + b
number = 3
if __name__ == "__main__":
    raise RuntimeError("not when it is explained")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "loss.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("what", "is_function"),
    [("loss.py:f", True), ("/a/b.py:f", True), ("runs/one", False), ("loss.py", False)],
)
def test_a_function_is_told_from_a_run(what, is_function):
    assert names_a_function(what) is is_function


def test_arguments_are_the_users_then_the_files_then_the_defaults(file, capsys):
    """w from --at, x from the file, others by default; what the file prints is no result."""
    function, arguments = function_and_arguments(f"{file}:loss", ["w=2"])
    w, x, b, n, labels = arguments
    assert (w.dtype, float(w), b, n) == (np.float64, 2.0, 1.0, 2)
    assert x.tolist() == [1.0, 2.0]
    assert labels.dtype.kind == "i"
    assert function(*arguments) == 19.0
    assert capsys.readouterr().out == ""


def test_whole_numbers_stay_whole_where_the_function_says_so(file):
    _, arguments = function_and_arguments(f"{file}:loss", ["w=2", "n=3", "labels=[1, 0]"])
    assert arguments[3].dtype.kind == arguments[4].dtype.kind == "i"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no value for w"),
        (["w"], "expected NAME=VALUE"),
        (["w=two"], "is no number"),
        (["w=[1, [2]]"], "is no number"),
        (["w='a'"], "is no number"),
        (["v=1"], "no such argument; it has w, x"),
    ],
)
def test_a_wrong_value_is_one_clear_error(file, given, words):
    with pytest.raises(OptionError, match=words):
        function_and_arguments(f"{file}:loss", given)


def test_a_wrong_name_is_one_clear_error(file):
    with pytest.raises(DataError, match="no function named 'los'") as caught:
        function_and_arguments(f"{file}:los", [])
    assert "loss" in caught.value.hint
    with pytest.raises(DataError, match="int, no function, named 'number'"):
        function_and_arguments(f"{file}:number", [])
    with pytest.raises(DataError, match="no such file"):
        function_and_arguments("nowhere.py:f", [])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\nimport missing_module_of_mine", "line 2: ModuleNotFoundError"),
        ("def f(:", "line 1: SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("\n\n1 / 0", "line 3: ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_run_says_its_line(tmp_path, source, words):
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(ChainruleError, match=words):
        function_and_arguments(f"{path}:f", [])
