"""Hold the agent's tools to what the model is told: a shell that remembers, an editor that keeps a form."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.workspace.sandbox import Limits, Mount, Sandbox
from bot.workspace.tools import BASH, EDITOR, FINISH, TOOLS, ToolOutcome, Tools


class Desk:
    """One task's tools and its tree."""

    def __init__(self, sandbox: Sandbox, tree: Path) -> None:
        self.tree = tree
        self.tools = Tools(sandbox, (Mount(tree, "/workspace", writable=True),), Limits(seconds=20))

    async def bash(self, command: str) -> ToolOutcome:
        """Run one bash command."""
        return await self.tools.run(BASH, {"command": command})

    async def edit(self, command: str, path: str, **parameters: object) -> ToolOutcome:
        """Run one editor command on a path below the tree, or an absolute one."""
        asked = path if path.startswith("/") else f"/workspace/{path}"
        return await self.tools.run(EDITOR, {"command": command, "path": asked, **parameters})

    async def write(self, name: str, content: bytes) -> Path:
        """Put a file into the tree as the agent would, and return where the host finds it."""
        octal = "".join(f"\\{byte:03o}" for byte in content)
        assert not (await self.bash(f"printf '{octal}' > {name}")).is_error
        return self.tree / name


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Return the tools of a task with an empty tree."""
    sandbox = Sandbox("bubblewrap", tmp_path / "data")
    root = await sandbox.make_dir(tmp_path / "data" / "task")
    yield Desk(sandbox, await sandbox.make_dir(root / "tree"))
    await sandbox.remove(root)


def test_tools_are_the_documented_ones() -> None:
    """The list names two tools of Anthropic's and our `finish`, whose summary alone is required."""
    assert [tool.get("type", "custom") for tool in TOOLS] == [
        "bash_20250124",
        "text_editor_20250728",
        "custom",
    ]
    assert [tool["name"] for tool in TOOLS] == ["bash", "str_replace_based_edit_tool", "finish"]
    schema = TOOLS[2]["input_schema"]
    assert list(schema["properties"]) == ["summary", "look_at", "open_questions", "replies"]
    assert schema["required"] == ["summary"]


async def test_shell_remembers_folder_and_exports(desk: Desk) -> None:
    """The folder and exported variables of one command are there in the next, odd characters included."""
    await desk.bash("mkdir -p 'a b/c'; cd 'a b/c'; export ODD=$'it\\'s \"q\" $HOME\\n`x`'; LOCAL=1")
    result = await desk.bash('pwd; echo "$ODD"; echo "[$LOCAL]"')
    assert result == ToolOutcome('/workspace/a b/c\nit\'s "q" $HOME\n`x`\n[]')


async def test_exit_code_is_text_and_no_error(desk: Desk) -> None:
    """A failing command is a result like any other, and what it left is remembered."""
    assert await desk.bash("cd /opt; echo out; exit 3") == ToolOutcome("out\nexit code 3")
    assert await desk.bash("pwd") == ToolOutcome("/opt")
    assert await desk.bash("set -e; cd /usr; false; echo never") == ToolOutcome("exit code 1")
    assert await desk.bash("pwd") == ToolOutcome("/usr")


async def test_silent_command_still_says_something(desk: Desk) -> None:
    """No text is ever empty."""
    assert await desk.bash("true") == ToolOutcome("(no output)")


async def test_vanished_folder_is_named(desk: Desk) -> None:
    """A shell whose folder is gone says so and starts in the tree."""
    await desk.bash("mkdir gone; cd gone; rmdir ../gone")
    assert await desk.bash("pwd") == ToolOutcome("[/workspace/gone is gone; back in /workspace]\n/workspace")


async def test_time_out_is_an_error_that_says_what_is_lost(desk: Desk) -> None:
    """After a time-out the shell is as it was before the command."""
    await desk.bash("cd /opt; export KEPT=yes")
    hasty = Tools(desk.tools._shell._sandbox, desk.tools._shell._mounts, Limits(seconds=0.6))
    hasty._shell._state = desk.tools._shell._state
    result = await hasty.run(BASH, {"command": "cd /usr; export KEPT=no; echo before; sleep 60"})
    assert result.is_error
    assert result.text.startswith("before\n[timed out after 0.6 s")
    assert "not kept" in result.text
    assert await hasty.run(BASH, {"command": "pwd; echo $KEPT"}) == ToolOutcome("/opt\nyes")


async def test_restart_forgets(desk: Desk) -> None:
    """A restarted shell is in the tree with its first variables; files stay."""
    await desk.bash("touch file; cd /opt; export GONE=1")
    assert not (await desk.tools.run(BASH, {"restart": True})).is_error
    assert await desk.bash("pwd; echo [$GONE]; ls") == ToolOutcome("/workspace\n[]\nfile")


async def test_command_cannot_forge_or_break_the_memory(desk: Desk) -> None:
    """Noise on descriptor 9, an own exit trap, exec and broken quotes lose at most this command's state."""
    await desk.bash("cd /opt")
    assert "not kept" in (await desk.bash("head -c 90000 /dev/zero | tr '\\0' x >&9; cd /usr")).text
    assert "not kept" in (await desk.bash("trap 'echo mine' EXIT; cd /usr")).text
    assert "not kept" in (await desk.bash("exec echo replaced")).text
    assert (await desk.bash("echo 'open")).text.endswith("exit code 2")
    assert await desk.bash("echo noise >&9; pwd") == ToolOutcome("/opt")


async def test_long_command_and_empty_stdin(desk: Desk) -> None:
    """A command longer than an argument may be runs, and finds nothing on its own stdin."""
    result = await desk.bash(f"cat; : {'x' * 300_000}; echo end")
    assert result == ToolOutcome("end")


async def test_long_output_is_cut_with_a_notice(desk: Desk) -> None:
    """Head and tail of a long output are shown, and how much is missing."""
    text = (await desk.bash("seq 100000")).text
    assert text.startswith("1\n2\n")
    assert text.endswith("99999\n100000")
    assert "bytes omitted ...]" in text
    assert len(text) < 16_100


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (BASH, None),
        (BASH, {}),
        (BASH, {"command": 7}),
        (BASH, {"command": " "}),
        (BASH, {"command": "a\0b"}),
        (BASH, []),
        (FINISH, {"summary": "x"}),
        ("rm", {}),
        (EDITOR, "view"),
        (EDITOR, {}),
        (EDITOR, {"command": "undo_edit", "path": "/workspace"}),
        (EDITOR, {"command": "view"}),
        (EDITOR, {"command": "view", "path": 3}),
        (EDITOR, {"command": "view", "path": "/workspace/a\0b"}),
        (EDITOR, {"command": "view", "path": "/workspace/missing"}),
        (EDITOR, {"command": "view", "path": "/workspace", "view_range": [1, 2]}),
        (EDITOR, {"command": "view", "path": "/etc/passwd", "view_range": ["1", 2]}),
        (EDITOR, {"command": "view", "path": "/etc/passwd", "view_range": [99, -1]}),
        (EDITOR, {"command": "view", "path": "/dev/zero"}),
        (EDITOR, {"command": "view", "path": "/usr/bin/env"}),
        (EDITOR, {"command": "create", "path": "/workspace"}),
        (EDITOR, {"command": "create", "path": "/usr/planted", "file_text": "x"}),
        (EDITOR, {"command": "str_replace", "path": "/etc/passwd", "old_str": "root", "new_str": "x"}),
        (EDITOR, {"command": "insert", "path": "/etc/passwd", "insert_line": -1, "insert_text": "x"}),
    ],
)
async def test_bad_input_is_an_error_text(desk: Desk, name: str, given: object) -> None:
    """Whatever the model sends comes back as words, never as an exception."""
    result = await desk.tools.run(name, given)
    assert result.is_error
    assert result.text
    assert "Traceback" not in result.text


async def test_relative_path_starts_at_the_tree(desk: Desk) -> None:
    """Claude's own documentation writes `primes.py`; the answer names the absolute path."""
    await desk.tools.run("bash", {"command": "mkdir src && cd src"})
    made = await desk.tools.run(EDITOR, {"command": "create", "path": "./src/a.py", "file_text": "a = 1\n"})
    assert made == ToolOutcome("The file /workspace/src/a.py was created.", is_error=False)
    assert (await desk.edit("view", "src/a.py")).text == "     1\ta = 1"


async def test_view_shows_lines_with_numbers(desk: Desk) -> None:
    """A file is shown with tabs as they are; a range may end at the file's end."""
    await desk.write("f", b"one\n\ttwo\x0cstill two\nthree")
    assert (await desk.edit("view", "f")).text == "     1\tone\n     2\t\ttwo\x0cstill two\n     3\tthree"
    assert (await desk.edit("view", "f", view_range=[2, -1])).text.startswith("     2\t\ttwo")
    await desk.write("empty", b"")
    assert (await desk.edit("view", "empty")).text == "/workspace/empty is empty."


async def test_view_of_a_long_file_says_what_is_shown(desk: Desk) -> None:
    """A long file is cut at a line, and the notice tells how to see the rest."""
    await desk.bash("seq 100000 > long")
    text = (await desk.edit("view", "long")).text
    assert len(text) < 16_200
    assert text.splitlines()[-1].startswith("[lines 1 to ")
    assert "of 1 to 100000 shown" in text


async def test_view_of_a_folder_shows_two_levels(desk: Desk) -> None:
    """Folders show what is in them; hidden entries and what links lead to stay out, odd names are escaped."""
    await desk.bash("mkdir -p a/b/c .git; touch a/f .hidden $'bad\\nname'; ln -s /etc link; chmod 000 a/b")
    text = (await desk.edit("view", "/workspace")).text
    assert text == "/workspace/\n  a/\n    b/\n    f\n  'bad\\nname'\n  link -> '/etc'"


async def test_create_makes_folders_and_says_when_it_overwrites(desk: Desk) -> None:
    """A new file's folders are made; an existing file keeps its mode."""
    assert (await desk.edit("create", "x/y/run.sh", file_text="a\n")).text.endswith("was created.")
    await desk.bash("chmod 755 x/y/run.sh")
    assert (await desk.edit("create", "x/y/run.sh", file_text="b\n")).text.endswith("was overwritten.")
    made = desk.tree / "x/y/run.sh"
    assert made.read_bytes() == b"b\n"
    assert made.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\r\nold\r\nc\r\n", b"a\r\nnew\r\nline\r\nc\r\n"),
        (b"\xef\xbb\xbfold\n", b"\xef\xbb\xbfnew\nline\n"),
        (b"\told", b"\tnew\nline"),
        (b"caf\xe9 old\xff\n", b"caf\xe9 new\nline\xff\n"),
        (b"a\r\nold\nc\r", b"a\r\nnew\nline\nc\r"),
    ],
)
async def test_replacing_keeps_the_file_as_it_was(desk: Desk, before: bytes, after: bytes) -> None:
    """Line ends, byte-order mark, tabs, odd bytes, a missing final newline and the mode survive an edit."""
    path = await desk.write("f", before)
    await desk.bash("chmod 640 f")
    result = await desk.edit("str_replace", "f", old_str="old", new_str="new\nline")
    assert not result.is_error, result.text
    assert path.read_bytes() == after
    assert path.stat().st_mode & 0o777 == 0o640


async def test_replacing_needs_exactly_one_place(desk: Desk) -> None:
    """Nothing changes when the text is missing, empty or there twice; the lines are named."""
    path = await desk.write("f", b"x\ny\nx\n")
    assert "lines 1, 3" in (await desk.edit("str_replace", "f", old_str="x", new_str="z")).text
    assert "does not appear" in (await desk.edit("str_replace", "f", old_str="q", new_str="z")).text
    assert (await desk.edit("str_replace", "f", old_str="", new_str="z")).is_error
    assert path.read_bytes() == b"x\ny\nx\n"
    assert not (await desk.edit("str_replace", "f", old_str="y\n")).is_error
    assert path.read_bytes() == b"x\nx\n"


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        (b"a\nb\n", 0, b"new\na\nb\n"),
        (b"a\nb\n", 2, b"a\nb\nnew\n"),
        (b"a\nb", 2, b"a\nb\nnew"),
        (b"a\r\nb\r\n", 1, b"a\r\nnew\r\nb\r\n"),
        (b"", 0, b"new\n"),
    ],
)
async def test_inserting_keeps_line_ends(desk: Desk, before: bytes, line: int, after: bytes) -> None:
    """Text goes in after the line asked for, under its old parameter name too."""
    path = await desk.write("f", before)
    for name in ("insert_text", "new_str"):
        await desk.write("f", before)
        assert not (await desk.edit("insert", "f", insert_line=line, **{name: "new\n"})).is_error
        assert path.read_bytes() == after


async def test_editor_writes_through_a_link_inside_only(desk: Desk) -> None:
    """A symlink to a file of the tree is followed and stays a link; one to the host's files finds nothing."""
    await desk.bash("echo old > real; ln -s real link; ln -s /root/.bashrc way-out")
    assert not (await desk.edit("str_replace", "link", old_str="old", new_str="new")).is_error
    assert (desk.tree / "real").read_text() == "new\n"
    assert (desk.tree / "link").is_symlink()
    assert (await desk.edit("view", "way-out")).is_error


async def test_tools_work_without_a_sandbox(tmp_path: Path) -> None:
    """The kind "none" gives the same two tools, with /workspace meaning the host's folder."""
    sandbox = Sandbox("none", tmp_path)
    tree = await sandbox.make_dir(tmp_path / "tree")
    desk = Desk(sandbox, tree)
    assert not (await desk.edit("create", "a/f", file_text="/workspace\n")).is_error
    assert (tree / "a/f").read_text() == "/workspace\n"
    await desk.bash("cd /workspace/a; export X=1")
    assert await desk.bash("cat f; echo $X; exit 2") == ToolOutcome("/workspace\n1\nexit code 2")
