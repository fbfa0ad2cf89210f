"""The contents operation decides how files and folders are read: JSON with base64, or raw."""

import base64
from urllib.parse import quote

from demo.github.call import Answer, Call, Refusal, Route
from demo.github.gitdir import Entry, GitError
from demo.github.user import Json

KINDS = {"blob": "file", "tree": "dir", "commit": "submodule"}


def _json(call: Call, entry: Entry, path: str, ref: str) -> Json:
    repo, page = f"{call.world.url}/repos/{call.repo.full_name}", f"{call.world.url}/{call.repo.full_name}"
    where = quote(path)
    kind = "symlink" if entry.mode == "120000" else KINDS[entry.kind]
    url = f"{repo}/contents/{where}?ref={quote(ref)}"
    git_url = f"{repo}/git/{'trees' if kind == 'dir' else 'blobs'}/{entry.sha}"
    html_url = f"{page}/{'tree' if kind == 'dir' else 'blob'}/{quote(ref)}/{where}"
    return {
        "type": kind,
        "size": entry.size or 0,
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "url": url,
        "git_url": git_url,
        "html_url": html_url,
        "download_url": None if kind == "dir" else f"{page}/raw/{quote(ref)}/{where}",
        "_links": {"self": url, "git": git_url, "html": html_url},
    }


async def _entries(call: Call, name: str) -> list[Entry]:
    try:
        return await call.repo.git.tree(name)
    except GitError as error:
        raise Refusal(404, "Not Found") from error


async def read(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/contents/{path}."""
    path, ref = call.part("path").strip("/"), call.query("ref") or call.repo.default_branch
    sha = await call.repo.git.resolve(ref)
    if sha is None:
        raise Refusal(404, f"No commit found for the ref {ref}")
    folder, _, name = path.rpartition("/")
    found = [each for each in await _entries(call, f"{sha}:{folder}") if each.path == name] if path else []
    if path and not found:
        raise Refusal(404, "Not Found")
    if not found or found[0].kind == "tree":
        listed = await _entries(call, f"{sha}:{path}")
        prefix = f"{path}/" if path else ""
        return Answer([_json(call, each, prefix + each.path, ref) for each in listed])
    return await _file(call, found[0], path, ref)


async def _file(call: Call, entry: Entry, path: str, ref: str) -> Answer:
    raw = await call.repo.git.blob(entry.sha) if entry.kind == "blob" else b""
    if "raw" in call.request.headers.get("Accept", ""):
        return Answer(raw=raw, media="application/vnd.github.raw+json; charset=utf-8")
    shaped = _json(call, entry, path, ref)
    if shaped["type"] == "symlink":
        return Answer(shaped | {"target": raw.decode(errors="replace")})
    if shaped["type"] == "submodule":
        return Answer(shaped | {"submodule_git_url": None})
    if len(raw) > 1 << 20:  # docs.github.com: between 1 and 100 MB only the raw form carries the content
        return Answer(shaped | {"content": "", "encoding": "none"})
    return Answer(shaped | {"content": base64.encodebytes(raw).decode(), "encoding": "base64"})


ROUTES = [Route("GET", "/repos/{owner}/{repo}/contents{path:(?:/.*)?}", read, "contents:read")]
