"""The check runs decide how a report on a commit is made, changed and asked for again, and who is told."""

import dataclasses

from demo.github import app, check, pull
from demo.github.check import Check
from demo.github.merges import Merges
from demo.github.repository import Repository
from demo.github.threads import Who
from demo.github.user import Json, User


class Checks(Merges):
    """What Apps and people do to check runs."""

    def check_json(self, made: Check) -> Json:
        """Return GitHub's `check-run` with the open pull requests at its commit."""
        pulls = self.pulls[made.repository.id].values()
        here = [each for each in pulls if each.issue.state == "open" and each.head_sha == made.head_sha]
        return check.shape(self.url, made, [pull.minimal_shape(self.url, each) for each in here])

    def new_check(self, repo: Repository, name: str, head_sha: str, **facts: object) -> Check:
        """Make a check run, telling nobody yet; runs of one commit share a suite."""
        suite = next((each.suite for each in self._on(repo, head_sha)), None) or self.new_id()
        made = Check(self.new_id(), suite, self.app, repo, name, head_sha, self.stamp())
        self.checks[made.id] = made
        self.change_check(made, facts)
        return made

    def change_check(self, made: Check, facts: Json) -> None:
        """Set what a request names; a conclusion completes the run, annotations are added to those there."""
        made.annotations += facts.pop("annotations", [])
        for key, value in facts.items():
            setattr(made, key, value)
        if made.conclusion and "status" not in facts:
            made.status = "completed"
        if made.status == "completed":
            made.completed_at = made.completed_at or self.stamp()
        else:
            made.conclusion = made.completed_at = None

    def checks_of(self, repo: Repository, sha: str) -> list[Check]:
        """Return the newest run of each name on a commit, newest first."""
        latest = {each.name: each for each in self._on(repo, sha)}
        return sorted(latest.values(), key=lambda each: -each.id)

    def _on(self, repo: Repository, sha: str) -> list[Check]:
        return [each for each in self.checks.values() if each.repository is repo and each.head_sha == sha]

    def tell_check(self, made: Check, action: str, sender: User, **parts: object) -> None:
        """Emit a `check_run` event."""
        shaped = self.check_json(made)
        shaped["check_suite"] = self._suite(made, shaped["pull_requests"])
        self.emit("check_run", action, made.repository, sender, check_run=shaped, **parts)

    def _suite(self, made: Check, pulls: list[Json]) -> Json:
        url = f"{self.url}/repos/{made.repository.full_name}/check-suites/{made.suite}"
        return {
            "id": made.suite,
            "node_id": f"CS_{made.suite}",
            "head_branch": pulls[0]["head"]["ref"] if pulls else None,
            "head_sha": made.head_sha,
            "status": made.status,
            "conclusion": made.conclusion,
            "url": url,
            "before": None,
            "after": made.head_sha,
            "pull_requests": pulls,
            "app": app.shape(self.url, made.app),
            "created_at": made.started_at,
            "updated_at": made.completed_at or made.started_at,
        }

    async def run_ci(
        self, repo: Repository, head_sha: str, conclusion: str, *, name: str = "build", **output: str
    ) -> Check:
        """Let another App check a commit; emits `check_run.completed`. `output` has title, summary, text."""
        robot = self.user("acme-ci[bot]", "Bot")
        other = dataclasses.replace(
            self.app, id=self.app.id + 1, slug="acme-ci", bot=robot, private_key="", webhook_secret=""
        )
        made = self.new_check(repo, name, head_sha, status="in_progress", **output)
        made.app, made.suite = other, self.new_id()
        self.change_check(made, {"conclusion": conclusion})
        self.tell_check(made, "completed", robot)
        return made

    async def rerequest(self, made: Check, user: Who) -> None:
        """Press "Re-run": emits `check_run.rerequested`."""
        self.tell_check(made, "rerequested", self.user(user))

    async def rerequest_all(self, made: Check, user: Who) -> None:
        """Press "Re-run all checks" on the run's commit: emits `check_suite.rerequested` for its suite."""
        suite = self._suite(made, self.check_json(made)["pull_requests"])
        api = f"{self.url}/repos/{made.repository.full_name}/check-suites/{made.suite}/check-runs"
        runs = [each for each in self._on(made.repository, made.head_sha) if each.suite == made.suite]
        commit = await made.repository.git.commit(made.head_sha)
        author, committer = (
            {"name": who.name, "email": who.email} for who in (commit.author, commit.committer)
        )
        suite |= {
            "node_id": f"CS_{made.suite}",
            "latest_check_runs_count": len(runs),
            "check_runs_url": api,
            "rerequestable": True,
            "runs_rerequestable": True,
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.tree,
                "message": commit.message,
                "timestamp": commit.committer.date,
                "author": author,
                "committer": committer,
            },
        }
        self.emit("check_suite", "rerequested", made.repository, self.user(user), check_suite=suite)

    async def press(self, made: Check, user: Who, identifier: str) -> None:
        """Press one of the run's own buttons: emits `check_run.requested_action`."""
        action = {"identifier": identifier}
        self.tell_check(made, "requested_action", self.user(user), requested_action=action)
