"""The configuration file is read strictly, and what is wrong with it is said with its place."""

from decimal import Decimal

import pytest

from bot.task import configuration
from bot.task.configuration import Configuration, Misconfigured

EVERYTHING = """\
label: fix-me
base: develop
model: claude-sonnet-5-5
budget_usd: 2.50
setup: ["uv sync --all-groups"]
test: "uv run pytest -q"
working_directory: packages/core
network: [deb.debian.org]
allow: {run: maintain, steer: write}
proof: preferred
follow_ci: true
generated_tests: drop
paths: {deny: ["docs/**"]}
draft: true
comments: summary
human: {cadence: [2, 9], max_pauses: 0}
"""


def test_every_key_of_the_contract_is_read() -> None:
    """Nothing is left at its default."""
    read, plain = configuration.parse(EVERYTHING), Configuration()
    assert read.budget == Decimal("2.5")
    assert (read.allow.run, read.allow.steer) == ("maintain", "write")
    assert (read.human.cadence, read.human.max_pauses) == ([2, 9], 0)
    assert read.paths.deny == ["docs/**"]
    same = [name for name in Configuration.model_fields if getattr(read, name) == getattr(plain, name)]
    assert same == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file_is_the_defaults(text: str) -> None:
    """All keys are optional."""
    assert configuration.parse(text) == Configuration()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label: a\nlable: b\n", "line 2, column 1: `lable` is not a key"),
        ("allow:\n  run: owner\n", "line 2, column 3: `allow.run`"),
        ("draft: 'yes'\n", "line 1, column 1: `draft`"),
        ("budget_usd: true\n", "line 1, column 1: `budget_usd`"),
        ("budget_usd: .nan\n", "line 1, column 1: `budget_usd`"),
        ("budget_usd: 0\n", "line 1, column 1: `budget_usd`"),
        ("base: 1.0\n", "line 1, column 1: `base`"),
        ("setup: make\n", "line 1, column 1: `setup`"),
        ("setup:\n  - a\n  - 7\n", "line 3, column 5: `setup.1`"),
        ("human:\n  cadence: [1]\n", "line 2, column 3: `human.cadence`"),
        ("human:\n  cadence: [5, 3]\n", "the first number must not be larger"),
        ("working_directory: ../other\n", "line 1, column 1: `working_directory`"),
        ("working_directory: /etc\n", "line 1, column 1: `working_directory`"),
        ("1: 2\n", "1"),
        ("- label\n", "line 1, column 1: the file must be"),
        ("just words\n", "line 1, column 1: the file must be"),
        ("label: [\n", "line 2, column 1"),
        ("label: a\n\tbase: b\n", "line 2, column 1"),
        ("a: &a [1]\n", "line 1, column 4: anchors and aliases are not allowed"),
        ("label: x\nb: *a\n", "line 2, column 4: anchors and aliases are not allowed"),
        ("label: !!python/object/apply:os.system ['id']\n", "line 1, column 8"),
        ("? [a]\n: b\n", "line 1"),
        ("--- {}\n--- {}\n", "line 2"),
        ("label: a\x00b\n", ""),
        ("label: \ud800\n", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, words: str) -> None:
    """Someone can mend it without trying."""
    with pytest.raises(Misconfigured) as caught:
        configuration.parse(text)
    assert words in str(caught.value)


def test_a_file_of_more_than_64_kib_is_not_read() -> None:
    """Whatever is in it."""
    with pytest.raises(Misconfigured, match="64 KiB"):
        configuration.parse("#" * (64 * 1024 + 1))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\n" + "".join(f"{n}: &n{n} [*a,*a,*a,*a,*a,*a]\n" for n in range(50)),
        "[" * 30_000,
        "{a: " * 15_000,
        "- " * 30_000,
        "? " * 30_000,
    ],
    ids=["laughs", "lists", "maps", "dashes", "questions"],
)
def test_a_bomb_is_refused_quickly(text: str) -> None:
    """Neither memory nor the stack nor the clock is used up."""
    with pytest.raises(Misconfigured):
        configuration.parse(text)


def test_what_looks_like_a_date_is_a_name() -> None:
    """YAML's own types are no trap for labels and branches."""
    read = configuration.parse("label: 2026-11-22\nbase: 2026-99-99\n")
    assert (read.label, read.base) == ("2026-11-22", "2026-99-99")
