"""Find the repository's pull request template, where GitHub looks for it.

https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/creating-a-pull-request-template-for-your-repository
"""

from bot.workspace.objects import Objects

_FOLDERS = (".github/", "", "docs/")  # in GitHub's order
_NAMES = ("pull_request_template.md", "pull_request_template.txt", "pull_request_template")
MOST_BYTES = 20_000


async def find(code: Objects, commit: str) -> str:
    """Return the template's text, empty when there is none or it is too large to be one."""
    files = {path.lower(): path for path in reversed(await code.files(commit))}
    wanted = [folder + name for folder in _FOLDERS for name in _NAMES]
    found = next((files[place] for place in wanted if place in files), None)
    content = await code.read(commit, found, MOST_BYTES) if found is not None else None
    return content.decode("utf-8", "replace") if content else ""
