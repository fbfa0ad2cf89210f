"""Decide how the configuration in force is shown, and from where each of its values comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import yaml

from bot.words import outgoing
from bot.words.misconfigured import FILE
from bot.words.redaction import Redactor

_WIDTH = 100


class Source(StrEnum):
    """Where a value comes from."""

    FILE = f"from {FILE}"
    DEFAULT = "default"
    HOST = "set by the host"
    CAP = "the host's cap; the file asks for more"
    DETECTED = "detected for each commit"


@dataclass(frozen=True)
class Setting:
    """One key of the configuration as it is in force; the value is what YAML can write."""

    key: str
    value: object
    source: Source | str = Source.DEFAULT


def show(settings: Sequence[Setting], secrets: Redactor, *, found: bool = True, error: str = "") -> str:
    """Return the effective configuration as folded YAML, below what is wrong with the file, if something is.

    *found* tells whether the default branch has the file, *error* its complaint, with line and column.
    """
    if error:
        lead = (
            f"`{FILE}` can't be used as it is: {outgoing.phrase(error, secrets, 600).rstrip('.')}.\n"
            "Until it is mended, the last configuration that was good (or the defaults) holds."
        )
    elif found:
        lead = f"The configuration in force, with `{FILE}` of the default branch."
    else:
        lead = f"The configuration in force; there is no `{FILE}` on the default branch."
    text = secrets("\n".join(_lines(one) for one in settings))
    return (
        f"{lead}\n\n<details><summary>Configuration</summary>\n\n{outgoing.fence(text, 'yaml')}\n\n</details>"
    )


def _lines(setting: Setting) -> str:
    """Return the key with its value, and where that comes from, as a comment."""
    value = setting.value
    flat = isinstance(value, list) and all(isinstance(one, str | int) for one in value)
    written = yaml.safe_dump(
        {setting.key: value},
        default_flow_style=None if flat else False,
        sort_keys=False,
        width=_WIDTH,
        allow_unicode=True,
    ).rstrip("\n")
    return f"# {setting.source}\n{written}" if "\n" in written else f"{written}  # {setting.source}"
