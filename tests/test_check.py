"""`python -m bot check` says of everything that `serve` needs whether it is right, and if not, the fix."""

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from bot import check, check_host, findings, logs, settings
from bot import manifest as manifests
from bot.check_host import Host
from bot.claude import prices
from bot.errors import Blocked
from bot.settings import Settings
from bot.workspace.sandbox import Sandbox
from demo.claude import server as claude_server
from demo.claude.script import Script
from demo.github import server as github_server
from demo.github.world import World
from storage import database as databases
from tests import github_description, openapi, rsa_key
from tests.bot_process import environment, run

PUBLIC = "http://127.0.0.1:9"
NOTIFY_SECRET = "whsec_" + base64.b64encode(b"n" * 32).decode()
TOKEN = "t" * 32
NAMES = [
    "settings", "private key", "clock", "webhook address", "permissions", "events", "installations",
    "database", "disk", "sandbox", "git", "model", "notifications", "API tokens", "project roots",
]  # fmt: skip


@dataclass
class Scene:
    """An App that is registered and installed as it should be, and the environment that fits it."""

    world: World
    claude: claude_server.Running
    env: dict[str, str]
    look: Callable[..., Awaitable[tuple[bool, list[str]]]]

    async def about(self, name: str, **more: str) -> list[str]:
        """Return the lines on one matter, their mark first; only what it needs is looked at."""
        _, lines = await self.look(self.env | more, name)
        return [line for line in lines if line[6:].startswith(name)]


@pytest.fixture
async def scene(
    tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Scene]:
    """Serve a GitHub and a Claude, and look at them in this process."""
    world = World(tmp_path / "github", hook_url=f"{PUBLIC}/api/github/webhooks")
    manifest = manifests.read()
    world.app.permissions, world.app.events = dict(manifest.permissions), list(manifest.events)
    github = await github_server.start(world)
    claude = await claude_server.start(Script([]))
    world.install("acme")
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(migrated_file, data / "journeyman.sqlite")
    env = environment(
        data,
        APP_ID=str(world.app.id),
        PRIVATE_KEY=world.app.private_key,
        WEBHOOK_SECRET=world.app.webhook_secret,
        ANTHROPIC_API_KEY=claude.api_key,
        ANTHROPIC_BASE_URL=claude.url,
        GITHUB_API_URL=world.url,
        GITHUB_SERVER_URL=world.url,
        JOURNEYMAN_PUBLIC_URL=PUBLIC,
        JOURNEYMAN_NOTIFY_URL="https://hear.acme.test/x",
        JOURNEYMAN_NOTIFY_SECRET=NOTIFY_SECRET,
        JOURNEYMAN_API_TOKENS=TOKEN,
        JOURNEYMAN_PROJECT_ROOTS=str(tmp_path),
    )
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setattr(Sandbox, "probe", _built)

    every = check._checks

    async def look(environ: dict[str, str], name: str = "") -> tuple[bool, list[str]]:
        def some(*means: Any) -> list[check.Look]:
            found = every(*means)
            here = [each for each in found if each.name.startswith(name)]
            return found if not name else here if here[0] in found[6:] else found[:6]

        monkeypatch.setattr(check, "_checks", some)
        fine = await check.check(environ)
        return fine, capsys.readouterr().out.splitlines()

    yield Scene(world, claude, env, look)
    await claude.close()
    await github.close()


async def _built(_: Sandbox) -> None:
    """Stand for a sandbox that can be built; one test builds it."""


async def test_everything_right(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command itself, sandbox included: one `ok` line for each matter, exit code 0, no secret."""
    code, output, errors = await run("check", env=scene.env)
    lines = output.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"ok    {name}" for name in NAMES]
    assert (code, errors) == (0, "")
    held = (scene.env[name] for name in settings.SECRET if name in scene.env)
    assert not [secret for secret in held if secret in output or secret.splitlines()[-2:][0] in output]
    if github_description.absence() is None:
        assert openapi.violations(scene.world) == []


async def test_a_dead_neighbourhood_stops_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """With GitHub, Claude, the database and git away the rest is still looked at."""
    monkeypatch.setenv("PATH", "/nowhere")
    dead = "http://127.0.0.1:9"
    env = scene.env | {
        "GITHUB_API_URL": dead,
        "ANTHROPIC_BASE_URL": dead,
        "DATABASE_URL": "postgresql://someone:pa55word@127.0.0.1:9/none",
    }
    fine, lines = await scene.look(env)
    marks = {line[6:].partition(":")[0]: line[:6].strip() for line in lines}
    assert marks == {
        "settings": "ok",
        "private key": "wrong",
        "clock": "skip",
        "webhook address": "skip",
        "permissions": "skip",
        "events": "skip",
        "installations": "skip",
        "database": "wrong",
        "disk": "ok",
        "sandbox": "ok",
        "git": "wrong",
        "model": "wrong",
        "notifications": "ok",
        "API tokens": "ok",
        "project roots": "ok",
    }
    assert not fine
    assert [line for line in lines if line.startswith("wrong") and " — " not in line] == []
    assert "pa55word" not in "".join(lines)


async def test_every_wrong_variable_has_its_line(scene: Scene) -> None:
    """Each variable problem is a line of its own, what depends on it is skipped, and no secret is shown."""
    env = scene.env | {
        "APP_ID": "none",
        "JOURNEYMAN_LABLE": "x",
        "JOURNEYMAN_MAX_STEPS": "many",
        "DATABASE_URL": "mysql://someone:pa55word@db/x",
        "PRIVATE_KEY": rsa_key.elliptic(),
        "JOURNEYMAN_API_TOKENS": TOKEN,
        "JOURNEYMAN_API_TOKENS_FILE": "/absent",
        "JOURNEYMAN_NOTIFY_URL": "ftp://someone:pa55word@x",
    }
    del env["WEBHOOK_SECRET"]
    fine, lines = await scene.look(env)
    told = [line for line in lines if line.startswith("wrong settings: ")]
    for name in (
        "APP_ID must be a whole number",
        "JOURNEYMAN_LABLE is not a setting",
        "JOURNEYMAN_MAX_STEPS must be a whole number",
        "DATABASE_URL must begin with",
        "PRIVATE_KEY must be the App's RSA private key",
        "JOURNEYMAN_API_TOKENS and JOURNEYMAN_API_TOKENS_FILE are both set",
        "JOURNEYMAN_NOTIFY_URL must be an http:// or https://",
        "WEBHOOK_SECRET is not set — set it",
    ):
        assert sum(line.startswith(f"wrong settings: {name}") for line in told) == 1, (name, told)
    assert len(told) == 8
    assert not fine
    assert "skip  private key: APP_ID is not usable" in lines
    assert "skip  database: DATABASE_URL is not usable" in lines
    assert "skip  API tokens: JOURNEYMAN_API_TOKENS is not usable" in lines
    assert "pa55word" not in "".join(lines)
    assert TOKEN not in "".join(lines)


async def test_an_address_that_cannot_be_called(scene: Scene) -> None:
    """Addresses with an impossible port and a path with a pattern are lines; the rest is looked at."""
    nowhere = "http://127.0.0.1:99999"
    names = ("GITHUB_API_URL", "ANTHROPIC_BASE_URL", "JOURNEYMAN_NOTIFY_URL")
    fine, lines = await scene.look(scene.env | dict.fromkeys(names, nowhere) | {"WEBHOOK_PATH": "/{x"})
    told = [line for line in lines if line.startswith("wrong ")]
    assert sorted(line.split()[2] for line in told) == sorted([*names, "WEBHOOK_PATH"])
    assert not fine
    assert "skip  private key: GITHUB_API_URL is not usable" in lines
    assert len(lines) == len(told) + len(NAMES) - 1


async def test_nothing_set_at_all(scene: Scene, tmp_path: Path) -> None:
    """Without any variable the four required ones are named, and nothing is asked of anybody."""
    fine, lines = await scene.look({"JOURNEYMAN_DATA_DIR": str(tmp_path / "new")})
    missing = [line for line in lines if "is not set — set it" in line]
    assert (fine, len(missing)) == (False, 4)
    assert f"ok    database: {tmp_path}/new/journeyman.sqlite will be made at the first start" in lines
    assert scene.world.requests == []


async def test_a_key_of_another_app(scene: Scene) -> None:
    """A key that GitHub does not take is wrong, so is another App's id; what depends on it is skipped."""
    (line,) = await scene.about("private key", PRIVATE_KEY=rsa_key.pem())
    assert line.startswith(f"wrong private key: GitHub does not take it for App {scene.world.app.id} (A JSON")
    assert "make a new key" in line
    (line,) = await scene.about("private key", APP_ID="99")
    assert line.startswith("wrong private key: GitHub does not take it for App 99 (")
    (line,) = await scene.about("installations", APP_ID="99")
    assert line == "skip  installations: the App is not known"


@pytest.mark.parametrize(("offset", "told"), [(600, "600 s behind"), (-300, "300 s ahead of"), (20, "")])
async def test_the_clock(offset: int, told: str, scene: Scene) -> None:
    """A minute apart is wrong either way, even where our signature is then refused; less is not."""
    scene.world.faults.clock_offset = offset
    _, lines = await scene.look(scene.env)
    (line,) = [each for each in lines if each[6:].startswith("clock")]
    if not told:
        assert line == "ok    clock: within 60 s of GitHub's"
        return
    seconds = int(line.split("it is ")[1].split(" s ")[0])
    assert abs(seconds - abs(offset)) <= 2
    assert line.startswith("wrong clock: ")
    assert told.split(" s ")[1] in line
    assert line.endswith("GitHub's — synchronize it (NTP, chrony)")
    assert [each for each in lines if each.startswith("ok    private key")]


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        (
            f"{PUBLIC}/api/github/webhooks",
            {},
            "ok    webhook address: http://127.0.0.1:9/api/github/webhooks",
        ),
        (
            f"{PUBLIC}/hook",
            {},
            f"wrong webhook address: GitHub sends to {PUBLIC}/hook — set it to {PUBLIC}/api",
        ),
        (f"{PUBLIC}/hook", {"WEBHOOK_PATH": "/hook"}, "ok    webhook address"),
        (
            "https://smee.io/x",
            {"WEBHOOK_PROXY_URL": "https://smee.io/x"},
            "ok    webhook address: https://smee",
        ),
        (
            "https://journeyman.example.org/x",
            {},
            "wrong webhook address: https://journeyman.example.org/x is an",
        ),
        ("", {}, "wrong webhook address: GitHub knows none — "),
        (
            f"{PUBLIC}/hook",
            {"WEBHOOK_PROXY_URL": "https://smee.io/x"},
            f"wrong webhook address: GitHub sends to {PUBLIC}/hook — set it to https://smee.io/x in",
        ),
    ],
)
async def test_where_webhooks_go(url: str, more: dict[str, str], told: str, scene: Scene) -> None:
    """GitHub must send to where we listen, or to the channel."""
    scene.world.hook_url = url
    (line,) = await scene.about("webhook address", **more)
    assert line.startswith(told)
    if "set it to" in line:
        assert line.endswith("WEBHOOK_PROXY_URL" if more else "JOURNEYMAN_PUBLIC_URL")


async def test_webhooks_that_cannot_be_compared(scene: Scene) -> None:
    """Without a public address nothing is compared, and the line says so."""
    del scene.env["JOURNEYMAN_PUBLIC_URL"]
    (line,) = await scene.about("webhook address")
    assert line.startswith(f"ok    webhook address: {PUBLIC}/api/github/webhooks (not compared: ")


async def test_a_form_is_no_json(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks as forms are wrong; an App without webhook is wrong, too."""
    scene.world.faults.fail("GET /app/hook/config", status=200, body={"content_type": "form", "url": PUBLIC})
    lines = await scene.about("webhook address")
    assert [line for line in lines if line.startswith("wrong webhook address: the content type is form — ")]
    scene.world.faults.fail("GET /app/hook/config", status=404, body={"message": "Not Found"})
    (line,) = await scene.about("webhook address")
    assert line.startswith("wrong webhook address: the App has no webhook — ")


async def test_permissions_and_events(scene: Scene) -> None:
    """A permission that is missing or too low is named, so is an event without subscription; more is fine."""
    scene.world.app.permissions |= {"issues": "read", "checks": "admin"}
    del scene.world.app.permissions["contents"]
    event = scene.world.app.events.pop()
    _, lines = await scene.look(scene.env)
    (line,) = [each for each in lines if each[6:].startswith("permissions")]
    assert line.startswith("wrong permissions: missing: contents: write, issues: write — grant them")
    (line,) = [each for each in lines if each[6:].startswith("events")]
    assert line.startswith(f"wrong events: not subscribed: {event} — subscribe")


async def test_installations(scene: Scene) -> None:
    """None is wrong; a suspended one and one that has not accepted a permission are named, with where."""
    world = scene.world
    (first,) = world.installations.values()
    second = world.install("globex")
    world.suspend(first)
    second.permissions["contents"] = "read"
    lines = await scene.about("installation")
    page, accept = f"{world.url}/settings/installations", "an owner must accept the new permissions"
    assert lines == [
        f"wrong installation acme: it is suspended — an owner can unsuspend it: {page}/{first.id}",
        f"wrong installation globex: not accepted: contents: write — {accept}: {page}/{second.id}",
    ]
    for number in range(30):
        world.suspend(world.install(f"org-{number}"))
    lines = await scene.about("installation")
    assert (len(lines), lines[-1]) == (21, "wrong installations: 12 more like these")
    for one in list(world.installations.values()):
        world.uninstall(one)
    (line,) = await scene.about("installation")
    assert line.endswith(
        f"installed nowhere — install it: {world.url}/apps/{world.app.slug}/installations/new"
    )


async def test_the_database(
    database_url: str, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty database is not at the schema, `migrate` is the fix; a folder that is a file is no place."""
    if database_url.startswith("sqlite"):
        await asyncio.to_thread(Path(database_url.removeprefix("sqlite:///")).touch)
    (line,) = await scene.about("database", DATABASE_URL=database_url)
    assert line.startswith("wrong database: the database is at schema none, not ")
    assert line.endswith("run `python -m bot migrate`")
    absent = tmp_path / "absent"
    (line,) = await scene.about("database", DATABASE_URL=f"sqlite:///{absent}/x.sqlite")
    assert line.startswith(f"wrong database: {absent} is no folder that can be written — choose")
    monkeypatch.setattr(check_host, "filesystem", lambda _: "nfs4")
    (line,) = await scene.about("database")
    assert "is on a network file system (nfs4), where SQLite loses data — choose" in line


async def test_a_database_that_does_not_do_its_part(scene: Scene, tmp_path: Path) -> None:
    """A damaged file and a server that is away are told with what to do."""
    (tmp_path / "damaged").write_bytes(b"not a database" * 100)
    (line,) = await scene.about("database", DATABASE_URL=f"sqlite:///{tmp_path}/damaged")
    assert line.startswith("wrong database: file is not a database — see that it runs, and DATABASE_URL; ")
    (line,) = await scene.about("database", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert "Connection refused" in line
    assert " — see that it runs, and DATABASE_URL; " in line


@pytest.mark.parametrize("place", ["a file", "/proc/nope"])
async def test_a_data_directory_that_keeps_nothing(place: str, scene: Scene, tmp_path: Path) -> None:
    """Whatever needs it says so with variable, reason and fix; free space is not what is missing."""
    (tmp_path / "file").touch()
    folder = "/proc/nope" if place == "/proc/nope" else str(tmp_path / "file" / "data")
    _, lines = await scene.look(scene.env | {"JOURNEYMAN_DATA_DIR": folder}, "d")
    for name in ("database", "disk"):
        (line,) = [each for each in lines if each[6:].startswith(name)]
        assert line.startswith(f"wrong {name}: JOURNEYMAN_DATA_DIR: nothing can be kept in '{folder}' (")
        assert line.endswith("choose another folder")


async def test_a_migrated_database(migrated_url: str, scene: Scene) -> None:
    """A database of either kind at this version's schema is right."""
    kind = "sqlite" if migrated_url.startswith("sqlite") else "postgresql"
    assert await scene.about("database", DATABASE_URL=migrated_url) == [
        f"ok    database: {kind} answers and is at this version's schema"
    ]


def test_the_file_system_is_the_innermost_mount(tmp_path: Path) -> None:
    """Of nested and stacked mounts the one that holds the path counts; without a table nothing is known."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
        "2 1 0:5 / /data rw - tmpfs tmpfs rw\n"
        "3 1 0:6 / /data rw master:2 propagate_from:3 - nfs4 server:/x rw\n"
        "4 3 0:7 / /data/my\\040disk rw - xfs /dev/sdb rw\n"
        "nonsense\n"
    )
    for path, kind in (("/data/a", "nfs4"), ("/database", "ext4"), ("/data/my disk/x", "xfs"), ("/", "ext4")):
        assert check_host.filesystem(Path(path), table) == kind
    assert check_host.filesystem(Path("/"), tmp_path / "absent") is None


async def test_a_full_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a gibibyte is wrong, and the line says how much is left."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**30 - 1))
    (line,) = await scene.about("disk")
    assert line.startswith("wrong disk: 1023 MiB are free at ")
    assert line.endswith("make room: at least 1 GiB is needed")


async def test_a_sandbox_that_cannot_be_built(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason and the fix are those of the worker; no sandbox at all is a choice, and skipped."""

    async def fail(_: Sandbox) -> None:
        raise Blocked("The sandbox cannot be built: mount proc. Fix: unmask /proc.")

    monkeypatch.setattr(Sandbox, "probe", fail)
    assert await scene.about("sandbox") == [
        "wrong sandbox: The sandbox cannot be built: mount proc. Fix: unmask /proc."
    ]
    (line,) = await scene.about("sandbox", JOURNEYMAN_SANDBOX="none", JOURNEYMAN_ALLOW_UNSANDBOXED="1")
    assert line.startswith("skip  sandbox: JOURNEYMAN_SANDBOX=none")


async def test_the_models(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both models are asked for; one that the API does not offer and a wrong key are told apart."""
    lines = await scene.about("model", JOURNEYMAN_TEST_MODEL="claude-haiku-4-5")
    assert lines == [
        "ok    model: claude-opus-5-5 (Claude Opus 5.5) can be used, its price is known",
        "ok    model: claude-haiku-4-5 (Claude Haiku 4.5) can be used, its price is known",
    ]
    monkeypatch.setattr(
        prices, "TARIFFS", {**prices.TARIFFS, "claude-none-1": prices.TARIFFS["claude-opus-5"]}
    )
    lines = await scene.about(
        "model", JOURNEYMAN_MODEL="claude-none-1", JOURNEYMAN_TEST_MODEL="claude-opus-5-5"
    )
    assert lines[0].startswith("wrong model: claude-none-1: ")
    assert lines[1].startswith("ok    model: claude-opus-5-5")
    (line,) = await scene.about("model", ANTHROPIC_API_KEY="sk-ant-wrong-key-0123456789")
    assert line.startswith("wrong model: claude-opus-5-5: ")
    assert "0123456789" not in line
    (line,) = await scene.about("model", JOURNEYMAN_MODEL="claude-opus-5-20261001")
    assert line.startswith("ok    model")
    assert not [entry for entry in scene.claude.journal if entry.path == "/v1/messages"]


async def test_a_model_without_a_price(scene: Scene) -> None:
    """A model that we have no price for is a setting that can't be used, and is not asked for."""
    _, lines = await scene.look(scene.env | {"JOURNEYMAN_MODEL": "gpt-9"}, "model")
    assert lines[0].startswith("wrong settings: JOURNEYMAN_MODEL must be a model whose price is known: ")
    assert "skip  model: JOURNEYMAN_MODEL is not usable" in lines
    del scene.env["ANTHROPIC_API_KEY"]
    assert await scene.about("model") == ["skip  model: ANTHROPIC_API_KEY is not usable"]


@pytest.mark.parametrize(
    ("url", "secret", "told"),
    [
        (None, None, "skip  notifications: JOURNEYMAN_NOTIFY_URL is not set"),
        ("https://a.test", None, "wrong notifications: JOURNEYMAN_NOTIFY_SECRET is not set"),
        (None, NOTIFY_SECRET, "wrong notifications: JOURNEYMAN_NOTIFY_URL is not set"),
        (
            "https://a.test",
            "short",
            "wrong notifications: JOURNEYMAN_NOTIFY_SECRET must be 24 to 64 random bytes",
        ),
        (
            "https://hooks.example.com/x",
            NOTIFY_SECRET,
            "wrong notifications: hooks.example.com is an example",
        ),
        ("http://a.test/x", NOTIFY_SECRET, "warn  notifications: they go to a.test unencrypted — use https"),
        ("http://127.0.0.1:9/x", NOTIFY_SECRET, "ok    notifications: task events go to 127.0.0.1, signed"),
        ("https://u:pa55word@a.test", NOTIFY_SECRET, "ok    notifications: task events go to a.test, signed"),
    ],
)
async def test_notifications(url: str | None, secret: str | None, told: str) -> None:
    """Address and secret come together, the secret is a key, and the address is somebody's."""
    (found,) = await Host(Settings(notify_url=url, notify_secret=secret)).notifications()
    assert found.line().startswith(told)


async def test_project_roots(tmp_path: Path) -> None:
    """A folder that isn't there is wrong, one that depends on the place of the start is warned of."""
    for roots, told in [
        ((), "skip  project roots: none"),
        ((str(tmp_path),), "ok    project roots: 1, each a folder"),
        (
            (str(tmp_path), "/absent/x"),
            "wrong project roots: no folder: /absent/x — make them, or correct JOURN",
        ),
        (("absent/x",), "wrong project roots: no folder: absent/x — "),
        (("bot",), "warn  project roots: where bot is depends on where the server is started — begin each"),
    ]:
        (found,) = await Host(Settings(project_roots=roots)).roots()
        assert found.line().startswith(told)


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ((), "skip  API tokens: none: /api/v1 answers 401"),
        (("a" * 32, "b" * 31), "warn  API tokens: 1 of 2 have fewer than 32 characters — take `openssl rand"),
        (("a" * 32,), "ok    API tokens: 1, long enough"),
    ],
)
async def test_tokens(tokens: tuple[str, ...], told: str) -> None:
    """A short token is warned of, which is no failure."""
    (found,) = await Host(Settings(api_tokens=tokens)).tokens()
    assert found.line().startswith(told)


async def test_a_check_that_breaks_hides_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in one check is a line like others, and the rest goes on."""

    async def broken(_: Any) -> None:
        raise AttributeError("oops")

    monkeypatch.setattr(Host, "disk", broken)
    with structlog.testing.capture_logs() as logged:
        fine, lines = await scene.look(scene.env)
    assert [line["event"] for line in logged] == ["check.broken"]
    assert not fine
    assert any(line.startswith("wrong disk: this check itself failed (AttributeError) — ") for line in lines)
    assert len(lines) == len(NAMES)


async def test_a_held_database_is_not_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A check that gets no answer ends by itself, and says so."""
    monkeypatch.setattr(check, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 1000)
    file = tmp_path / "data" / "journeyman.sqlite"
    async with (
        contextlib.aclosing(databases.connect(f"sqlite:///{file}")) as other,
        other.transaction() as session,
    ):
        await session.execute(text("SELECT 1"))  # which takes the write lock
        (line,) = await scene.about("database")
    assert line.startswith("wrong database: no answer within 0 s — see that it runs")


def test_a_line_is_one_line() -> None:
    """Whatever a reason holds, it stays one line of readable length."""
    line = findings.wrong("x", "a\nb\r\n  c" + "d" * 1000, "fix").line()
    assert line.startswith("wrong x: a b c")
    assert (len(line), "\n" in line) == (findings.LONGEST_LINE + 6, False)
