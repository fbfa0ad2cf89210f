"""Decide what one bash command sees of the commands before it: their folder and their exported variables.

Each command is a shell and a sandbox of its own; at its end the shell writes both down on descriptor 9, and
the next one starts from there. Functions, aliases, unexported variables and background processes end with it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from bot.workspace.command import Command, Limits, Mount, Result
from bot.workspace.outcome import TEXT_BYTES, ToolOutcome
from bot.workspace.sandbox import Sandbox

_HOME = "/workspace"
# $0 is a mark, new for each command. State and command come on stdin, each ended by a NUL: an argument could
# not hold a long one. The command itself finds nothing left there to read.
_SCRIPT = r"""
IFS= read -r -d '' journeyman_state; IFS= read -r -d '' journeyman_command
exec </dev/null
eval "$journeyman_state"; unset journeyman_state
trap '{ printf "%s" "$0"; printf "cd -- %q\n" "$PWD"; export -p; printf "%s" "$0"; } 2>/dev/null >&9' EXIT
eval "$journeyman_command"
"""
_LOST = "[the folder and exported variables of this command were not kept: they are as before it]"


class Shell:
    """One task's shell, as far as a person would notice."""

    def __init__(
        self, sandbox: Sandbox, mounts: tuple[Mount, ...], limits: Limits, environment: Mapping[str, str]
    ) -> None:
        self._sandbox = sandbox
        self._mounts = mounts
        self._limits = replace(limits, output_bytes=min(limits.output_bytes, TEXT_BYTES))
        self._environment = environment
        self._state = ""

    async def run(self, tool_input: Mapping[str, object]) -> ToolOutcome:
        """Run `{"command": ...}`, or forget everything for `{"restart": true}`.

        Raises SandboxUnavailable, never for what the model sent.
        """
        if tool_input.get("restart") is True:
            self._state = ""
            return ToolOutcome(f"The shell starts anew in {_HOME}; files are as they were.")
        command = tool_input.get("command")
        if not isinstance(command, str) or not command.strip():
            return ToolOutcome('bash needs {"command": "..."} or {"restart": true}.', is_error=True)
        if "\0" in command:
            return ToolOutcome("The command holds a NUL byte, which no shell can run.", is_error=True)
        return await self._run(command)

    async def _run(self, command: str) -> ToolOutcome:
        mark = f"journeyman-{secrets.token_hex(8)}"
        stdin = f"{self._state}\0{command}\0".encode(errors="surrogatepass")
        result = await self._sandbox.run(
            Command(
                ("bash", "-c", _SCRIPT, mark),
                self._mounts,
                cwd=_HOME,
                environment=self._environment,
                limits=self._limits,
                stdin=stdin,
            )
        )
        kept = self._keep(result.extra, mark)
        return ToolOutcome(self._text(result, kept=kept), is_error=result.killed is not None)

    def _keep(self, extra: bytes, mark: str) -> bool:
        """Take over the state between two marks; say whether there was one."""
        parts = extra.decode(errors="surrogateescape").split(mark)
        if len(parts) < 3:
            return False
        go, _, variables = parts[-2].partition("\n")
        gone = f"[{go.removeprefix('cd -- ')} is gone; back in {_HOME}]"
        self._state = f"{go} 2>/dev/null || echo {_quoted(gone)}\n{variables}"
        return True

    def _text(self, result: Result, *, kept: bool) -> str:
        lines = [result.output.rstrip("\n")] if result.output.strip() else []
        seconds = self._limits.seconds
        endings = {
            "time": f"[timed out after {seconds:g} s and was ended]",
            "memory": f"[ended: more than {self._limits.memory_bytes >> 20} MiB of memory]",
            "disk": f"[ended: more than {self._limits.disk_bytes >> 20} MiB on disk, or too many files]",
        }
        if result.killed is not None:
            lines.append(endings[result.killed])
        elif result.exit_code:
            lines.append(f"exit code {result.exit_code}")
        if not kept:
            lines.append(_LOST)
        return "\n".join(lines) or "(no output)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
