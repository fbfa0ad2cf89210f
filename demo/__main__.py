"""Decide whether this Python can run the guided demo, before anything that needs a newer one is imported."""

import sys

OLDEST = (3, 11)


def main() -> int:
    """Return the exit code: 0 pull request proven, 1 not so, 2 wrong usage, 130 interrupted."""
    if sys.version_info < OLDEST:
        found = "%d.%d" % sys.version_info[:2]  # noqa: UP031  # for an older Python to read
        sys.stderr.write(
            f"demo: Python 3.11 or newer is needed, and this is {found}: make demo PYTHON=python3.11\n"
        )
        return 2
    try:
        from demo import command  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"demo: {missing}: `make demo` installs what is needed into .venv and starts there\n"
        )
        return 2
    return command.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
