"""Everything a developer types, with nothing but Python 3.11+: ``python3 dev.py run``.

Each command makes the environment that it needs (``.venv`` or ``.venv-bench`` beside this file),
or reuses it: a stamp inside it holds a hash of everything that decides what is installed, so a
second call starts at once. uv does the installing where it is on the PATH, else venv and pip.
"""

import sys

# Above all other code, and without newer syntax, so that an old Python reaches it and says so.
if sys.version_info < (3, 11):
    sys.exit("dev: Chainrule needs Python 3.11 or newer; this is " + sys.version.split()[0] + ".")

import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BENCH_VENV = ROOT / ".venv-bench"  # PyTorch and JAX are large, and no business of the tests

# Raised when the way of installing changes, so that environments made the old way are renewed.
INSTALL_FORMAT = "1"

# An environment that has the extra on the left can do the work of those on the right.
SERVES = {"test": ("test", "examples"), "examples": ("examples",), "bench": ("bench",)}

LEFTOVERS = (
    ".venv", ".venv-bench", "build", "dist", "htmlcov", ".coverage", ".mypy_cache", ".ruff_cache",
    ".pytest_cache", ".import_linter_cache", ".hypothesis",
)  # fmt: skip


class DevError(Exception):
    """What went wrong, as one message for the person at the terminal."""


# ------------------------------------------------------------------------------- the commands


def run(arguments: list[str]) -> int:
    """Train on 336,776 real flights, print the result and where the run lies."""
    ensure(VENV, "examples")
    become(
        [
            script(VENV, "chainrule"),
            "train",
            "flights",
            "--batch",
            "128",
            "--epochs",
            "10",
            *arguments,
        ]
    )


def test(arguments: list[str]) -> int:
    """Linter, format, types, floors, then all tests and doctests (arguments go to pytest)."""
    ensure(VENV, "test")
    # pytest comes last: whoever reads the log finds its closing line at the end.
    pytest = ("pytest", [python(VENV), "-m", "pytest", "--numprocesses=auto", *arguments])
    return call_all([*linters(), pytest])


def check(arguments: list[str]) -> int:
    """Linter, format, types and floors only."""
    refuse("check", arguments)
    ensure(VENV, "test")
    return call_all(linters())


def bench(arguments: list[str]) -> int:
    """Time a step beside NumPy, scikit-learn, PyTorch and JAX; or `bench tables|fit|flights`."""
    named = bool(arguments) and not arguments[0].startswith("-")
    name, options = (arguments[0], arguments[1:]) if named else ("peers", arguments)
    ensure(BENCH_VENV, "bench")
    become([python(BENCH_VENV), "-m", f"benchmarks.{name}", *options])


def docs(arguments: list[str]) -> int:
    """Run every example in docs/ and compare what it prints."""
    ensure(VENV, "test")
    code = call([python(VENV), "-m", "pytest", "--doctest-glob=*.md", "docs", *arguments])
    nothing_collected = 5  # pytest's exit code for it: pages without examples are no failure
    return 0 if code == nothing_collected else code


def clean(arguments: list[str]) -> int:
    """Remove the environments and caches; runs/ stays."""
    refuse("clean", arguments)
    caches = [
        p for top in ("src", "tests", "benchmarks") for p in (ROOT / top).rglob("__pycache__")
    ]
    for path in [*(ROOT / name for name in LEFTOVERS), *(ROOT / "src").glob("*.egg-info"), *caches]:
        remove(path)
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    command.__name__: command for command in (run, test, check, bench, docs, clean)
}


def linters() -> list[tuple[str, list[str]]]:
    """The checks that run no test, as (name, command)."""
    return [
        ("ruff check", [python(VENV), "-m", "ruff", "check"]),
        ("ruff format --check", [python(VENV), "-m", "ruff", "format", "--check"]),
        ("mypy", [python(VENV), "-m", "mypy"]),
        ("lint-imports", [script(VENV, "lint-imports"), "--no-logo"]),
    ]


# ---------------------------------------------------------------------------- the environment


def ensure(venv: Path, extra: str) -> None:
    """Make sure that `venv` has Chainrule, editable, with `extra` at the locked versions.

    Raises:
        DevError: venv or pip is missing from this Python, or the installer failed.
    """
    if not is_current(venv, extra) and not built_by_uv(venv, extra):
        require_venv_and_pip()
        build(venv, extra, None)


def built_by_uv(venv: Path, extra: str) -> bool:
    """Build with uv, if it is on the PATH and can; whether it did."""
    uv = shutil.which("uv")
    # pip alone reads pip's settings, and they may say where a small CPU build of PyTorch lies.
    if uv is None or extra == "bench":
        return False
    try:
        build(venv, extra, uv)
    except DevError as error:
        print(f"dev: uv: {error}", file=sys.stderr)
        return False
    return True


def build(venv: Path, extra: str, uv: str | None) -> None:
    """Make `venv` unless it stands, install into it, and stamp it when all of that is done."""
    if not is_usable(venv, uv):
        make = (
            [uv, "venv", "-q", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        )
        with stage(f"making {venv.name}"):
            remove(venv)
            quietly([*make, str(venv)])
    # Without a stamp the environment counts as broken: what is interrupted here is made anew.
    for old in venv.glob(".stamp-*"):
        old.unlink()
    with stage(f"installing chainrule[{extra}] with {'uv' if uv else 'pip'}"):
        quietly(install_command(venv, extra, uv))
    # On all cores and without the libraries' own tests: a third of the time that pip takes for it.
    with stage("compiling to bytecode"), contextlib.suppress(DevError):
        tests = r"[/\\]tests[/\\]"
        quietly([python(venv), "-m", "compileall", "-qq", "-j0", "-x", tests, packages(venv)])
    (venv / f".stamp-{extra}").write_text(stamp(venv, extra), encoding="ascii")


def install_command(venv: Path, extra: str, uv: str | None) -> list[str]:
    """The command that installs this folder, editable, under constraints.txt."""
    what = ["-q", "-c", "constraints.txt", "-e", f".[{extra}]"]
    if uv:
        return [uv, "pip", "install", "--python", python(venv), "-b", "constraints.txt", *what]
    return [python(venv), "-m", "pip", "install", "--no-input", "--no-compile", *what]


def is_current(venv: Path, extra: str) -> bool:
    """Whether `venv` holds what `extra` needs, by its stamp alone (no process is started)."""
    able = [has for has, served in SERVES.items() if extra in served]
    stamped = any(read(venv / f".stamp-{has}") == stamp(venv, has) for has in able)
    return stamped and has_program(venv, "python") and has_program(venv, "chainrule")


def is_usable(venv: Path, uv: str | None) -> bool:
    """Whether `venv` was finished, here, for this Python, and can be installed into."""
    here = identity(venv)
    stands = any(read(path).startswith(here) for path in venv.glob(".stamp-*"))
    has_pip = Path(packages(venv), "pip").is_dir()  # uv makes environments without
    return stands and has_program(venv, "python") and (uv is not None or has_pip)


def has_program(venv: Path, name: str) -> bool:
    """Whether `name` is in `venv`, and not as a link to a Python that is gone."""
    return Path(script(venv, name)).exists()


def identity(venv: Path) -> str:
    """A line for what `venv` cannot outlive: its place and its Python (scripts hold both)."""
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{digest(str(venv), version, sys.implementation.name, platform.machine())}\n"


def stamp(venv: Path, extra: str) -> str:
    """Two lines: the environment's identity, and a hash of what decides what is in it."""
    files = (read(ROOT / "pyproject.toml"), read(ROOT / "constraints.txt"))
    return f"{identity(venv)}{digest(INSTALL_FORMAT, extra, *files)}\n"


def digest(*parts: str) -> str:
    """The SHA-256 of `parts` and of where each ends."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def require_venv_and_pip() -> None:
    """Say what is missing, before venv says it in ten lines.

    Raises:
        DevError: this Python comes without venv or without pip's installer.
    """
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise DevError(
                f"{sys.executable} comes without {module}, so no environment can be made; "
                "install it (Debian, Ubuntu: apt install python3-venv) or put uv on the PATH."
            )


def python(venv: Path) -> str:
    """The interpreter of `venv`."""
    return script(venv, "python")


def script(venv: Path, name: str) -> str:
    """A program of `venv`, as a path."""
    return str(Path(venv_path(venv, "scripts"), f"{name}.exe" if os.name == "nt" else name))


def packages(venv: Path) -> str:
    """The folder of `venv` that packages are installed into."""
    return venv_path(venv, "purelib")


def venv_path(venv: Path, kind: str) -> str:
    """Where `venv` keeps its "scripts" or its "purelib" (Windows has names of its own)."""
    return sysconfig.get_path(kind, scheme="venv", vars={"base": str(venv)})


# ------------------------------------------------------------------------------ other programs


def surroundings() -> dict[str, str]:
    """The environment variables for what is started here, less what leaks packages into it."""
    leaks = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in leaks}
    return kept | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_USER": "0",
        # The tools that build packages are locked too: the first name serves pip until 25.2, the
        # second later ones. Relative, because pip splits the value at spaces.
        "PIP_CONSTRAINT": "constraints.txt",
        "PIP_BUILD_CONSTRAINT": "constraints.txt",
    }


def become(command: list[str]) -> NoReturn:
    """Go on as `command`, so that signals and the exit code are its own."""
    if os.name == "nt":  # there, exec would give the terminal back before the command has ended
        raise SystemExit(call(command))
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(command[0], command, surroundings())


def call(command: Sequence[str]) -> int:
    """Run `command` in the project's folder, its output as it is; return its exit code."""
    process = subprocess.Popen(command, cwd=ROOT, env=surroundings())
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal interrupts the child as well: give it the time to close by itself.
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(timeout=2)
        process.terminate()
        process.wait()
        raise


def call_all(commands: list[tuple[str, list[str]]]) -> int:
    """Run every command, failures or not, and close with one line that names those that failed."""
    start = time.perf_counter()
    failed = []
    for name, command in commands:
        say(name)
        if call(command) != 0:
            failed.append(name)
    seconds = f"{time.perf_counter() - start:.0f} s"
    say(f"failed: {', '.join(failed)} ({seconds})" if failed else f"all is well ({seconds})")
    return 1 if failed else 0


def quietly(command: Sequence[str]) -> None:
    """Run `command` and show its output only if it fails.

    Raises:
        DevError: it failed; the message holds what it printed last.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings(), text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise DevError(f"exit code {done.returncode} of: {' '.join(command)}\n{tail}")


# --------------------------------------------------------------------------------- small things


@contextlib.contextmanager
def stage(what: str) -> Iterator[None]:
    """One line for one stage, on stderr (stdout may be somebody's JSON): what, then seconds."""
    print(f"dev: {what} ...", end="", flush=True, file=sys.stderr)
    start = time.perf_counter()
    end = ""
    try:
        yield
        end = f" {time.perf_counter() - start:.1f} s"
    finally:
        print(end, flush=True, file=sys.stderr)


def say(line: str) -> None:
    """Print a line of our own, before anything that a child prints after it."""
    print(f"dev: {line}", flush=True)


def read(path: Path) -> str:
    """The text of a file, empty if there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def refuse(command: str, arguments: list[str]) -> None:
    """Stop at arguments that `command` would ignore.

    Raises:
        DevError: there are some.
    """
    if arguments:
        raise DevError(f"{command} takes no arguments, got: {' '.join(arguments)}")


def usage() -> str:
    """The help text, from the commands' own docstrings."""
    lines = [f"  {name:6} {function.__doc__}" for name, function in COMMANDS.items()]
    return "\n".join(["usage: python3 dev.py COMMAND [ARGUMENTS]", "", *lines])


def main(arguments: list[str]) -> int:
    """Carry out one command; return the exit code."""
    command, *rest = arguments or [""]
    if command in COMMANDS:
        return COMMANDS[command](rest)
    asked = command in ("help", "-h", "--help")
    print(usage(), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DevError as problem:
        sys.exit(f"dev: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
