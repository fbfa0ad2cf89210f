"""Run the file tool inside the sandbox, where a symlink leads nowhere that the agent could not go anyway."""

import marshal
from collections.abc import Mapping

from bot.workspace import profile
from bot.workspace.command import Command, Limits, Mount
from bot.workspace.outcome import ToolOutcome
from bot.workspace.sandbox import Sandbox

_REFUSED = 2  # the exit code with which inside/edit.py says that its text is an error


class Editor:
    """view, create, str_replace and insert on the files of one task."""

    def __init__(self, sandbox: Sandbox, mounts: tuple[Mount, ...], limits: Limits) -> None:
        self._sandbox = sandbox
        self._mounts = mounts
        self._limits = limits

    async def run(self, tool_input: Mapping[str, object]) -> ToolOutcome:
        """Do one edit; raises SandboxUnavailable, never for what the model sent."""
        # An argument is where a run without a sandbox replaces /workspace; what cannot be one is bad anyway.
        path = tool_input.get("path")
        fits = isinstance(path, str) and len(path) < 4096 and "\0" not in path
        try:
            # The same interpreter reads it; json would double the start-up time inside.
            stdin = marshal.dumps(dict(tool_input))
        except ValueError:
            return ToolOutcome("The editor's input is not JSON.", is_error=True)
        program = f"{profile.TOOLS}/edit.py"
        argv = (self._sandbox.python, "-I", "-S", program, *([str(path)] if fits else []))
        result = await self._sandbox.run(Command(argv, self._mounts, limits=self._limits, stdin=stdin))
        if result.killed is not None:
            return ToolOutcome(f"The edit did not end: out of {result.killed}.", is_error=True)
        text = result.output.rstrip("\n") or "(nothing)"
        if result.exit_code in {0, _REFUSED}:
            return ToolOutcome(text, is_error=result.exit_code == _REFUSED)
        return ToolOutcome(f"The editor failed: {text[-500:]}", is_error=True)
