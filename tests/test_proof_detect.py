"""Hold the detection of runners to the commands and configurations that repositories write."""

import pytest

from bot.proof import detect

NONE = {}.get


@pytest.mark.parametrize(
    ("configured", "command"),
    [
        ("pytest", ""),
        ("uv run pytest -q", "-q"),
        ("uv run --group test --python 3.12 pytest tests", "tests"),
        ("uv run --all-extras -m pytest -x", "-x"),
        ("uv run -- pytest", ""),
        ("poetry run pytest tests/unit", "tests/unit"),
        ("pipenv run python -m pytest", ""),
        ("python3 -m pytest -k 'not slow'", "-k|not slow"),
        ("python -W error -m pytest", ""),
        ("py.test", ""),
        ("coverage run -m pytest -q", "-q"),
        ("pytest -m 'not (slow or net)'", "-m|not (slow or net)"),
    ],
)
def test_a_command_around_pytest_becomes_pytest(configured: str, command: str) -> None:
    """Wrappers that would look for the network are dropped, the options stay."""
    found = detect.runner(["a.py"], NONE, configured)

    assert found is not None
    assert found.name == "pytest"
    assert found.command == ("python", "-m", "pytest", *(command.split("|") if command else ()))
    assert found.shown == configured


@pytest.mark.parametrize(
    ("configured", "command"),
    [
        ("make test", ("make", "test")),
        ("uv run tox -e py", ("tox", "-e", "py")),
        ("cd sub && pytest", ("bash", "-c", "cd sub && pytest")),
        ("pytest | tee log", ("bash", "-c", "pytest | tee log")),
        ("echo 'unbalanced", ("bash", "-c", "echo 'unbalanced")),
        ("pytest tests/*.py", ("bash", "-c", "pytest tests/*.py")),
        ("python -m unittest", ("python", "-m", "unittest")),
    ],
)
def test_any_other_command_is_known_by_its_exit_code(configured: str, command: tuple[str, ...]) -> None:
    """What isn't plainly pytest is run as it is; a shell runs only inside the sandbox."""
    found = detect.runner(["a.py"], NONE, configured)

    assert found is not None
    assert (found.name, found.command, found.selection) == ("command", command, None)


def test_what_chooses_tests_is_left_out_of_a_run_of_chosen_files() -> None:
    """Options that configure pytest are kept, selections and stops are not."""
    text = "MODE=fast pytest -q -x -k fast --ds=site.settings -p myplugin -c conf.ini --maxfail 2 tests/unit"
    found = detect.runner([], NONE, text)

    assert found is not None
    assert found.selection == (
        "python", "-m", "pytest", "--ds=site.settings", "-p", "myplugin", "-c", "conf.ini",
    )  # fmt: skip
    assert found.environment["MODE"] == "fast"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", b'[tool.pytest.ini_options]\npython_files = ["check_*.py"]\n'),
        ("pyproject.toml", b'[tool.pytest]\npython_files = "check_*.py"\n'),
        ("pytest.ini", b"[pytest]\npython_files = check_*.py *.py\n"),
        ("setup.cfg", b"[tool:pytest]\npython_files =\n    check_*.py\n"),
        ("tox.ini", b"[pytest]\npython_files = check_*.py\n"),
    ],
)
def test_configured_file_names_are_tests_too(name: str, content: bytes) -> None:
    """`python_files` adds patterns, except one that would take the product for tests."""
    found = detect.runner(["a.py"], {f"sub/{name}": content}.get, None, "sub")

    assert found is not None
    assert found.directory == "sub"
    assert found.test_files[-1] == "check_*.py"


@pytest.mark.parametrize("content", [b"\xff", b"[tool", b"x = " + b"[" * 5000, b"no section"])
def test_a_broken_configuration_adds_nothing(content: bytes) -> None:
    """Detection survives what the repository holds."""
    for name in detect.CONFIGURATION:
        found = detect.runner(["a.py"], {name: content}.get, None)
        assert found is not None
        assert found.test_files == ("test_*.py", "*_test.py", "tests.py")


def test_without_python_nothing_is_detected() -> None:
    """Another language needs a configured command, for now."""
    assert detect.runner(["main.go", "README.md"], NONE, "  ") is None
