"""The configuration in force is shown as YAML that says where each value comes from."""

import yaml

from bot.words import configured
from bot.words.configured import Setting, Source
from bot.words.redaction import Redactor
from tests.words_facts import SECRET

SETTINGS = [
    Setting("label", "journeyman", Source.HOST),
    Setting("budget_usd", 5, Source.CAP),
    Setting("setup", ["uv sync", "make"], Source.FILE),
    Setting("paths", {"deny": [".github/workflows/**"]}),
]
SHOWN = """\
The configuration in force, with `.github/journeyman.yml` of the default branch.

<details><summary>Configuration</summary>

```yaml
label: journeyman  # set by the host
budget_usd: 5  # the host's cap; the file asks for more
setup: [uv sync, make]  # from .github/journeyman.yml
# default
paths:
  deny:
  - .github/workflows/**
```

</details>"""


def test_the_configuration_is_this_text() -> None:
    """Folded, in YAML, each value with its source."""
    assert configured.show(SETTINGS, Redactor()) == SHOWN


def test_what_is_shown_can_be_copied() -> None:
    """The block is YAML again, whatever the values hold."""
    settings = [Setting("test", "echo '```' # @bob\n|"), Setting("setup", ["a: b", "- c", "#7"])]

    block = configured.show(settings, Redactor()).split("yaml\n")[1].split("\n````")[0]

    assert yaml.safe_load(block) == {one.key: one.value for one in settings}


def test_a_file_that_cannot_be_used_is_named_with_its_place() -> None:
    """What is wrong comes first, made inert; then what holds meanwhile."""
    error = f"line 3, column 1: `bugdet` is no key, ask @bob {SECRET}"

    text = configured.show(SETTINGS, Redactor.knowing([SECRET]), error=error)

    assert text.startswith("`.github/journeyman.yml` can't be used as it is: line 3, column 1: `bugdet`")
    assert "the last configuration that was good" in text
    assert "@bob" not in text
    assert SECRET not in text


def test_no_file_is_no_fault() -> None:
    """Without a file the defaults are shown, and it is said that there is none."""
    assert "there is no `.github/journeyman.yml`" in configured.show(SETTINGS, Redactor(), found=False)


def test_no_secret_is_shown() -> None:
    """A key that somebody wrote into the file does not come back in a comment."""
    text = configured.show([Setting("test", f"TOKEN={SECRET} make")], Redactor.knowing([SECRET]))

    assert SECRET not in text
