"""Put a commit into a tree and take the tree's state out again; git runs inside the sandbox alone.

What the agent left in its tree (`.git/config`, hooks, filters, nested repositories) can make git run
programs, so the host never runs git there. The way in and the way out are two sandboxes of their own; the
second sees the tree read-only and hands out a tree id and a thin pack, which `quarantine.py` checks.
"""

import asyncio
import os
import re
import shlex
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Blocked, WorldFault
from bot.workspace import reader, sandbox
from bot.workspace.objects import FULL_ID
from bot.workspace.quarantine import PACK_BYTES, ChangeRefused, Overlay, Quarantine

__all__ = ["Jail", "Overlay", "Snapshot"]

MIRROR, TASK = "/mirror.git/objects", "/task.git/objects"
WORKSPACE, OUT, INDEX = "/workspace", "/out", "/index"
BRANCH, AGENT_NAME, AGENT_EMAIL = "main", "agent", "agent@sandbox.invalid"
SECONDS = 300  # a tree of some hundred MB on a slow disk

# $1 branch, $2 commit, $3 tree, $4 place for the index and the refs, then the objects folders
CHECKOUT = f"""
set -eu
branch=$1 commit=$2 tree=$3 out=$4
shift 4
git init -q --template= --initial-branch="$branch" .
mkdir -p .git/info .git/objects/info
printf '%s\\n' "$@" > .git/objects/info/alternates
for file in packed-refs shallow; do
    if [ -f "$out/$file" ]; then cp "$out/$file" ".git/$file"; fi
done
git config user.name {shlex.quote(AGENT_NAME)}
git config user.email {AGENT_EMAIL}
git update-ref "refs/heads/$branch" "$commit"
git read-tree --reset -u "$tree"
cp -p .git/index "$out/index"
if [ "$tree" != "$(git rev-parse "$commit^{{tree}}")" ]; then git reset -q; fi
"""

# $1 base commit, $2 index of the checkout (may be absent), $3 place for the pack and the exclusions, then the
# objects folders. A submodule of the base stays as it is: looking into it would run what is configured there.
# A file that is, byte for byte, what git makes of the base's is no change, even where git's attributes (line
# ends) would store it in another way than the base does. The index's own time tells git what to read again.
SNAPSHOT = """
set -eu
base=$1 index=$2 out=$3
shift 3
GIT_DIR=$(mktemp -d)
export GIT_DIR
trap 'rm -rf "$GIT_DIR"' EXIT
git init -q --bare --template=
GIT_WORK_TREE=$(pwd)
export GIT_WORK_TREE
mkdir -p "$GIT_DIR/info" "$GIT_DIR/objects/info"
printf '%s\\n' "$@" > "$GIT_DIR/objects/info/alternates"
if [ -f "$out/exclude" ]; then cp "$out/exclude" "$GIT_DIR/info/exclude"; fi
if [ -f "$index" ]; then cp -p "$index" "$GIT_DIR/index"; else git read-tree "$base"; fi
git ls-files -z --stage | { grep -z '^160000 ' || :; } | cut -z -f 2- > "$GIT_DIR/submodules"
git update-index -z --skip-worktree --stdin < "$GIT_DIR/submodules"
git add --all --ignore-errors || [ $? -eq 1 ]
cd "$GIT_DIR"
git diff-index -z --cached --name-only --diff-filter=M "$base" > changed
if [ -s changed ]; then
    export GIT_LITERAL_PATHSPECS=1
    GIT_INDEX_FILE=$GIT_DIR/before git read-tree "$base"
    GIT_INDEX_FILE=$GIT_DIR/before git checkout-index -z --stdin --prefix="$GIT_DIR/was/" < changed
    xargs -0 sh -c 'for path; do
        was=was/$path is=$GIT_WORK_TREE/$path
        if [ -L "$was" ] || ! cmp -s "$was" "$is"; then continue; fi
        if [ -x "$was" ]; then [ -x "$is" ] || continue; else [ ! -x "$is" ] || continue; fi
        printf "%s\\0" "$path"
    done' untouched < changed > same
    if [ -s same ]; then xargs -0 git reset -q "$base" -- < same; fi
fi
tree=$(git write-tree)
if [ "$tree" != "$(git rev-parse "$base^{tree}")" ]; then
    printf '%s\\n^%s\\n^%s^{tree}\\n' "$tree" "$base" "$base" |
        git pack-objects --revs --thin --stdout -q --threads=1 > "$out/pack"
fi
printf %s "$tree" >&9
"""

GIT_INSIDE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
SNAPSHOT_SETTINGS = {
    "core.bigFileThreshold": "5m",
    "core.excludesFile": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "core.safecrlf": "false",
    "advice.addEmbeddedRepo": "false",
    "safe.directory": "*",
}


@dataclass(frozen=True)
class Snapshot:
    """The state of a tree as git sees it."""

    tree: str  # id; equal to the base's tree when nothing changed
    pack: bytes  # thin: the objects that the base's tree does not have; empty when nothing changed
    skipped: str = ""  # git's words on files that it could not take in


class Jail:
    """The way between one task's objects and its trees.

    A tree lies in a folder made by `Sandbox.make_dir`; the jail keeps its scratch files beside it.
    """

    def __init__(self, box: sandbox.Sandbox, quarantine: Quarantine) -> None:
        self._box = box
        self._quarantine = quarantine

    @property
    def lenders(self) -> tuple[sandbox.Mount, ...]:
        """Return the mounts that every command in a tree needs for git to find the borrowed objects."""
        return (
            sandbox.Mount(self._quarantine.mirror.objects, MIRROR),
            sandbox.Mount(self._quarantine.objects, TASK),
        )

    async def checkout(
        self, tree_dir: Path, commit: str, overlay: Sequence[Overlay] = (), *, tree: str | None = None
    ) -> None:
        """Fill the empty `tree_dir` with `tree` (default: the commit's), `overlay` laid over it.

        The agent gets a throw-away repository whose HEAD is `commit`, so that whatever differs from it shows
        as its own uncommitted work. Submodules and LFS contents are not fetched. Raises Blocked when the
        commit can't be checked out, WorldFault when there was no time for it.
        """
        wanted = await self._quarantine.overlay(tree or commit, overlay)
        refs = await self._quarantine.mirror.git(
            "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"
        )
        scratch = await asyncio.to_thread(_make_scratch, tree_dir)
        try:
            await asyncio.to_thread(_fill_scratch, scratch, self._quarantine.path / "shallow", refs)
            result = await self._run(
                CHECKOUT,
                (BRANCH, commit, wanted, OUT),
                (
                    sandbox.Mount(tree_dir, WORKSPACE, writable=True),
                    sandbox.Mount(scratch, OUT, writable=True),
                ),
                GIT_INSIDE,
            )
            if result.exit_code != 0:
                raise Blocked(f"the commit {commit} cannot be checked out: {_last_line(result)}")
            # Nobody but git has written here yet, and no later command sees the file, so it may be believed.
            await asyncio.to_thread((scratch / "index").replace, _index_of(tree_dir))
        finally:
            await self._box.remove(scratch)

    async def snapshot(self, tree_dir: Path, base: str, exclude: Sequence[str] = ()) -> Snapshot:
        """Return the state of `tree_dir` as a tree id and a pack relative to the commit `base`.

        The tree's `.gitignore` files hold, and so do the patterns of `exclude`; the agent's own `.git` does
        not matter. Nothing is written to the tree. Raises ChangeRefused when the work is too big or git
        cannot store it, WorldFault when there was no time for it.
        """
        index = _index_of(tree_dir)
        scratch = await asyncio.to_thread(_make_scratch, tree_dir)
        try:
            lines = "".join(f"{pattern}\n" for pattern in exclude)
            await asyncio.to_thread((scratch / "exclude").write_text, lines, "utf-8", "surrogateescape")
            mounts = [sandbox.Mount(tree_dir, WORKSPACE), sandbox.Mount(scratch, OUT, writable=True)]
            if await asyncio.to_thread(index.is_file):
                mounts.append(sandbox.Mount(index, INDEX))
            result = await self._run(
                SNAPSHOT,
                (base, INDEX, OUT),
                mounts,
                GIT_INSIDE | _settings(SNAPSHOT_SETTINGS),
            )
            tree = result.extra.decode("ascii", "replace")
            if result.exit_code != 0 or not FULL_ID.fullmatch(tree):
                raise ChangeRefused(f"git cannot store the work as it is: {_last_line(result)}")
            pack = await asyncio.to_thread(_read_pack, scratch)
        finally:
            await self._box.remove(scratch)
        return Snapshot(tree, pack, result.output.strip()[-4000:])

    async def _run(
        self,
        script: str,
        arguments: Sequence[str],
        mounts: Sequence[sandbox.Mount],
        environment: dict[str, str],
    ) -> sandbox.Result:
        command = sandbox.Command(
            ("/bin/sh", "-c", script, "jail", *arguments, MIRROR, TASK),
            (*mounts, *self.lenders),
            cwd=WORKSPACE,
            environment=environment,
            limits=sandbox.Limits(seconds=SECONDS),
        )
        result = await self._box.run(command)
        if result.killed is not None:
            raise WorldFault(f"git was stopped in the sandbox ({result.killed}) after {result.seconds:.0f} s")
        return result


def _settings(settings: dict[str, str]) -> dict[str, str]:
    numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return numbered


def _index_of(tree_dir: Path) -> Path:
    """Return where the index of a checkout is kept: it spares reading again what nobody touched."""
    return tree_dir.with_name(f".{tree_dir.name}.index")


def _make_scratch(tree_dir: Path) -> Path:
    """Make a folder beside the tree, for the same uid as the tree's: one command has but one uid."""
    scratch = tree_dir.with_name(f".{tree_dir.name}.{uuid.uuid4().hex}")
    scratch.mkdir(mode=0o700)
    owner = tree_dir.stat(follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(scratch, owner.st_uid, owner.st_gid)
    return scratch


def _fill_scratch(scratch: Path, shallow: Path, refs: bytes) -> None:
    (scratch / "packed-refs").write_bytes(refs)
    if shallow.exists():
        (scratch / "shallow").write_bytes(shallow.read_bytes())
    for file in scratch.iterdir():
        file.chmod(0o644)


def _read_pack(scratch: Path) -> bytes:
    try:
        return reader.read(scratch, "pack", PACK_BYTES)
    except FileNotFoundError:
        return b""  # nothing changed
    except reader.UnsafeFileError as error:
        raise ChangeRefused(f"the work is no pack of at most 64 MiB ({error}); ignore big files") from None


def _last_line(result: sandbox.Result) -> str:
    lines = re.findall(r"^(?:fatal|error): .*", result.output, re.MULTILINE) or result.output.split("\n")
    return str(lines[-1]).strip() or f"exit code {result.exit_code}"
