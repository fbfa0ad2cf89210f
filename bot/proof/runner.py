"""Describe each test runner as data: its command, its report, and the files that belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

REPORT = "{report}"  # stands in a runner's flags for the path of the report


@dataclass(frozen=True)
class Runner:
    """How one repository's tests are run and recognised.

    `command` runs the suite; `selection`, when there is one, takes chosen files after it. Paths and patterns
    are relative to the repository's root, `directory` is where commands start.
    """

    name: str
    command: tuple[str, ...]
    shown: str  # the command as its owner wrote it, for people
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "."
    selection: tuple[str, ...] | None = None
    report_flags: tuple[str, ...] = ()  # empty: only the exit code is known
    optional_flags: tuple[str, ...] = ()  # left out first when the runner refuses its command line
    lenient_flags: tuple[str, ...] = ()  # added last when it refuses it again
    usage_error: int | None = None
    suffix: str = ""  # of a generated test's file
    test_files: tuple[str, ...] = ()  # patterns of a basename
    configuration: tuple[str, ...] = ()  # patterns of a basename or, with a slash, of a path
    shared: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    # ^ files that configure other things too: basename -> the tables that belong to the runner
    modules: frozenset[str] = frozenset()  # import names whose shadowing would change the runner

    @property
    def reports(self) -> bool:
        """Whether single tests can be told apart."""
        return bool(self.report_flags)


# https://docs.pytest.org/en/stable/reference/customize.html: the files, and the tables in shared ones, that
# configure pytest. The plugin tables make an installed project's own code part of the runner.
PYTEST = Runner(
    name="pytest",
    command=("python", "-m", "pytest"),
    shown="pytest",
    environment={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "NO_COLOR": "1"},
    selection=("python", "-m", "pytest"),
    report_flags=(
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",  # one broken file must not hide every other test
        "--maxfail=0",  # undoes a configured -x, after which later tests would look missing
        "--rootdir=.",  # the same names whichever files are chosen
        "--tb=short",
        "-o",
        "junit_family=xunit1",  # the family that carries the file of a test
        "-o",
        "junit_logging=system-out",
        "-o",
        "junit_log_passing_tests=false",
        "--junit-prefix=",
        f"--junitxml={REPORT}",
    ),
    optional_flags=("-p", "no:randomly"),  # the same order on both sides
    lenient_flags=("-o", "addopts=", "-o", "required_plugins="),
    usage_error=4,
    suffix=".py",
    test_files=("test_*.py", "*_test.py", "tests.py"),
    configuration=(
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "sitecustomize.py",
        "usercustomize.py",
        "*.pth",
        "*.egg-info/*",
        "*.dist-info/*",
    ),
    shared={
        "pyproject.toml": (
            ("tool", "pytest"),
            ("project", "entry-points", "pytest11"),
            ("tool", "poetry", "plugins", "pytest11"),
        ),
        "setup.cfg": (("tool:pytest",), ("options.entry_points", "pytest11")),
        "tox.ini": (("pytest",), ("tool:pytest",)),
    },
    modules=frozenset(
        {"pytest", "_pytest", "pluggy", "iniconfig", "py", "pygments", "packaging", "exceptiongroup"}
    ),
)

# Any other command: one case, named after the command, decided by its exit code.
COMMAND = Runner(name="command", command=(), shown="")

RUNNERS: Mapping[str, Runner] = {runner.name: runner for runner in (PYTEST, COMMAND)}
