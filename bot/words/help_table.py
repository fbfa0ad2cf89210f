"""Decide how the commands are explained: who may give each, and what it does."""

from bot.words import outgoing
from bot.words.redaction import Redactor

# By the roles that hold unless `.github/journeyman.yml` says otherwise (contract, section 6).
_RUN = "`allow.run`"
_ROWS = (
    ("`/journeyman run`", _RUN, "start on an issue, as the label {label} does; `model=` `budget=` `proof=`"),
    ("`/journeyman stop`", f"{_RUN}, requester", "stop within 10 s; the conversation and the branch stay"),
    ("`/journeyman pause` · `resume`", f"{_RUN}, requester", "rest after the present step · go on"),
    ("`/journeyman retry`", _RUN, "try again; `from=plan`, `from=code` or `from=tests`, `budget=` `proof=`"),
    ("`/journeyman test`", "`allow.steer`", "test what was pushed once more"),
    ("`/journeyman status`", "anyone", "bring the status comment up to date"),
    ("`/journeyman config`", _RUN, "show the configuration in force"),
    ("`/journeyman help`", "anyone", "show this"),
)


def table(slug: str, label: str, secrets: Redactor, *, run: str = "write", steer: str = "triage") -> str:
    """Return the commands as a table with examples; `run` and `steer` are the least roles here."""
    name = outgoing.code(label, secrets)
    roles = {"`allow.run`": f"{run} role", "`allow.steer`": f"{steer} role"}
    rows = [(command, _role(who, roles), what.format(label=name)) for command, who, what in _ROWS]
    if slug:
        rows.insert(
            3, (f"`@{slug}` and free text", roles["`allow.steer`"], "guide the work, or change its result")
        )
    cells = ["| Command | Who | What it does |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    examples = ["`/journeyman run budget=2`", "`/journeyman retry from=tests`"]
    if slug:
        examples += [f"`@{slug} stop`", f"`@{slug} keep the old name as an alias`"]
    return "\n".join([*cells, "", f"At the start of a line, for example {' · '.join(examples)}."])


def _role(who: str, roles: dict[str, str]) -> str:
    for key, role in roles.items():
        who = who.replace(key, role)
    return who
