"""Decide how a finished commit reaches its branch: never forced, done once, and looked at afterwards."""

import os
import re

import structlog

from bot.errors import Blocked, WorldFault
from bot.workspace import faults, git, objects
from bot.workspace.objects import FULL_ID
from bot.workspace.quarantine import Quarantine

log = structlog.get_logger(__name__)


class PushRefused(Blocked):
    """The server took the connection and turned the branch down; the text says why and what would help."""


class BranchMoved(PushRefused):
    """Someone else's commits are on the branch; ours would have to overwrite them."""


# What GitHub answers, in the order of belief; the numbers are those of docs.github.com ("About protected
# branches", "Available rules for rulesets", "Push protection"), the workflow words those of its servers.
REFUSALS: tuple[tuple[str, type[PushRefused], str], ...] = (
    (
        r"refusing to allow a .* to create or update workflow",
        PushRefused,
        "GitHub lets no App change workflow files without the `workflows` permission",
    ),
    (
        r"GH013: Repository rule violations[\s\S]*(?:push protection|secret)",
        PushRefused,
        "GitHub's push protection found a secret in the change",
    ),
    (r"GH013", PushRefused, "a ruleset of the repository forbids this push; let the App bypass it"),
    (r"GH006|protected branch", PushRefused, "the branch is protected; let the App push to it"),
    (r"GH001|exceeds GitHub's file size limit", PushRefused, "a file is too large for GitHub"),
    (r"non-fast-forward|fetch first|stale info", BranchMoved, "the branch has commits that are not ours"),
    (r"branch is currently checked out", PushRefused, "the branch is checked out in that clone"),
    (r"pre-receive hook declined|hook declined", PushRefused, "a hook of the server declined the push"),
    (r"archived so it is read-only", PushRefused, "the repository is archived"),
    (r"shallow update not allowed", PushRefused, "the server takes no history without its beginning"),
)


class Outbox:
    """The way from one task's objects to a remote."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine

    async def remote_head(
        self, url: str, authorization: str | None, branch: str, *, local: bool = False
    ) -> str | None:
        """Return the commit id at the remote's `branch`, None when there is no such branch."""
        ref = objects.branch_ref(branch)
        listing = await git.run(
            ("ls-remote", "--refs", "--", url, ref),
            git_dir=self._quarantine.path,
            remote=git.Remote(url, authorization, local),
        )
        for line in os.fsdecode(listing).splitlines():
            identity, _, name = line.partition("\t")
            if name == ref and FULL_ID.fullmatch(identity):
                return identity
        return None

    async def push(
        self,
        url: str,
        authorization: str | None,
        commit: str,
        branch: str,
        expected: str | None,
        *,
        local: bool = False,
    ) -> None:
        """Bring `commit` to `branch`; success when it is there already, so that repeating is harmless.

        `expected` is the id that the branch must have now, None when it must not exist. Raises BranchMoved
        when it is elsewhere, PushRefused when a rule of the server forbids the push, Blocked when the
        repository or the permission is gone, WorldFault (faults.TokenRefused for a stale token) when later
        may be better.
        """
        head = await self.remote_head(url, authorization, branch, local=local)
        if head == commit:
            log.info("push.found_done", branch=branch, commit=commit)
            return
        if head != expected:
            raise BranchMoved(
                f"the branch {branch} is at {head or 'nothing'}, not at {expected or 'nothing'}"
            )
        if expected is not None and not await self._follows(commit, expected):
            raise BranchMoved(f"the commit {commit} does not build on {expected}, the head of {branch}")
        arguments = ["push", "--no-progress", "--no-verify", "--no-follow-tags", "--no-recurse-submodules"]
        if local:  # the other end is a git of this machine, which would run the hooks that lie there
            arguments.append("--receive-pack=git -c core.hooksPath=/dev/null receive-pack")
        ref = objects.branch_ref(branch)
        try:
            await git.run(
                (*arguments, "--", url, f"{commit}:{ref}"),
                git_dir=self._quarantine.path,
                borrow=self._quarantine.borrow,
                remote=git.Remote(url, authorization, local),
            )
        except faults.GitError as error:
            raise _refusal(error, branch) from None
        log.info("push.done", branch=branch, commit=commit)

    async def verify(
        self,
        url: str,
        authorization: str | None,
        branch: str,
        commit: str,
        tree: str,
        *,
        local: bool = False,
    ) -> None:
        """Check that the remote's `branch` is `commit` and that its tree is the tested `tree`.

        An object id names its whole content, so equal ids are equal files. Raises BranchMoved otherwise.
        """
        made = await self._quarantine.tree_of(commit)
        if made != tree:
            raise BranchMoved(f"the commit {commit} holds the tree {made}, not the tested {tree}")
        head = await self.remote_head(url, authorization, branch, local=local)
        if head != commit:
            raise BranchMoved(f"the branch {branch} is at {head or 'nothing'}, not at the tested {commit}")

    async def _follows(self, commit: str, ancestor: str) -> bool:
        """Return whether `ancestor` is in the history of `commit`; one that we do not have is not."""
        try:
            await self._quarantine.git("merge-base", "--is-ancestor", ancestor, commit)
        except faults.GitError as error:
            if error.exit_code in {1, 128}:
                return False
            raise
        return True


def _refusal(error: faults.GitError, branch: str) -> Exception:
    for pattern, kind, sentence in REFUSALS:
        if re.search(pattern, error.stderr, re.IGNORECASE):
            said = " ".join(re.findall(r"^remote: (?:error: )?(.+)", error.stderr, re.MULTILINE))
            return kind(
                f"the push to {branch} was refused: {sentence}" + (f" ({said[:500]})" if said else "")
            )
    if "cannot lock ref" in error.stderr or "failed to update ref" in error.stderr:
        return WorldFault(f"the server could not update {branch} just now")
    return error
