"""`python -m bot setup` registers the App through a browser, and leaves a key, a secret and nothing else."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from bot import __main__ as command_line
from bot import logs, secret_files
from bot import manifest as manifests
from bot.errors import UsageFault, UserFault
from bot.registration import form_address
from bot.settings import Settings
from demo.github import server as github_server
from demo.github.world import World
from tests import github_description, openapi
from tests.bot_process import CHECKOUT, environment
from tests.story import free_port

Main = Callable[..., tuple[int, str, str]]
HOOK = "http://127.0.0.1:9/api/github/webhooks"


@dataclass
class Form(HTMLParser):
    """What a page's form would post, and where."""

    action: str = ""
    method: str = ""
    manifest: str = ""

    def __post_init__(self) -> None:
        """Begin to read."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notice the form and its field."""
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.method = told["action"], told["method"]
        if told.get("name") == "manifest":
            self.manifest = told["value"]


@dataclass
class Person:
    """Someone at a terminal with a browser, and `setup` running in that terminal."""

    process: asyncio.subprocess.Process
    browser: aiohttp.ClientSession
    said: str = ""

    async def address(self) -> str:
        """Return what the terminal says to open."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while not (found := re.search(r"^  (http://127\.0\.0\.1:\d+/\S+)$", self.said, re.MULTILINE)):
                line = await self.process.stdout.readline()
                assert line, (self.said, await self.process.stderr.read() if self.process.stderr else "")
                self.said += line.decode()
        return found.group(1)

    async def form(self) -> Form:
        """Open the page."""
        form = Form()
        async with self.browser.get(await self.address()) as answer:
            assert answer.status == 200
            assert answer.headers["cache-control"] == "no-store"
            form.feed(await answer.text())
        return form

    async def agree(self, form: Form) -> str:
        """Post the form to GitHub, and return where it sends the browser back to."""
        async with self.browser.post(
            form.action, data={"manifest": form.manifest}, allow_redirects=False
        ) as answer:
            assert answer.status == 302, await answer.text()
            return answer.headers["location"]

    async def visit(self, address: str | URL) -> tuple[int, str]:
        """Open an address; returns its status and text."""
        async with self.browser.get(address) as answer:
            return answer.status, await answer.text()

    async def end(self) -> tuple[int, str, str]:
        """Wait for the command's end; returns exit code, all output, and errors."""
        async with asyncio.timeout(30):
            output, errors = await self.process.communicate()
        self.said += output.decode()
        return self.process.returncode or 0, self.said, errors.decode()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Return a way to run a command in this process, whose logging it leaves alone."""

    def run_here(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(os, "environ", env)
        monkeypatch.setattr(logs, "configure", lambda *_: None)
        code = command_line.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_here


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Serve a GitHub."""
    made = World(tmp_path / "github")
    running = await github_server.start(made)
    yield made
    await running.close()


@contextlib.asynccontextmanager
async def _setting_up(world: World, out: Path, *arguments: str, **more: str) -> AsyncIterator[Person]:
    env = environment(out / "data", GITHUB_API_URL=world.url, GITHUB_SERVER_URL=world.url, **more)
    for name in ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "ANTHROPIC_API_KEY"):
        env.pop(name, None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "setup", "--out", str(out), *arguments,
        env=env, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as browser:
            yield Person(process, browser)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_app_is_registered_and_check_finds_it_right(world: World, tmp_path: Path) -> None:
    """Page, GitHub, callback: key and settings are 0600 and fit, and no secret is shown anywhere."""
    out = tmp_path / "made here"
    async with _setting_up(world, out, "--org", "acme", "--name", "Acme's <bot>", "--url", HOOK) as person:
        form = await person.form()
        assert URL(form.action).path == "/organizations/acme/settings/apps/new"
        manifest = json.loads(form.manifest)
        assert manifest["name"] == "Acme's <bot>"
        assert manifest["hook_attributes"] == {"url": HOOK, "active": True}
        assert manifest["public"] is False
        assert manifest["default_permissions"]["pull_requests"] == "write"
        assert URL(manifest["redirect_url"]).host == "127.0.0.1"
        status, page = await person.visit(await person.agree(form))
        code, said, errors = await person.end()
    assert (status, code, errors) == (200, 0, "")
    app = world.app
    key, settings = out / "journeyman.private-key.pem", out / "journeyman.env"
    assert sorted(each.name for each in out.iterdir()) == [settings.name, key.name]
    assert (_mode(key), _mode(settings)) == (0o600, 0o600)
    assert key.read_text() == app.private_key
    text = settings.read_text()
    assert f"\nAPP_ID={app.id}\n" in text
    assert f"\nPRIVATE_KEY_PATH='{key}'\n" in text
    assert f"\nWEBHOOK_SECRET={app.webhook_secret}\n" in text
    assert f"\nGITHUB_API_URL={world.url}\nGITHUB_SERVER_URL={world.url}\n" in text
    assert "\nJOURNEYMAN_PUBLIC_URL=http://127.0.0.1:9\n" in text
    assert "# ANTHROPIC_API_KEY=\n" in text
    link = f"{world.url}/apps/{app.slug}/installations/new"
    assert link in said
    assert "python -m bot check" in said
    assert f'<a href="{link}">' in page
    assert "Acme&#x27;s &lt;bot&gt; is registered" in page
    for shown in (said, errors, page):
        assert app.webhook_secret not in shown
        assert app.private_key.splitlines()[3] not in shown
    if github_description.absence() is None:
        assert openapi.violations(world) == []

    world.install("acme")
    ran = await asyncio.create_subprocess_exec(
        "sh", "-c", f'set -a; . "{settings}"; set +a; exec "$0" -m bot check', sys.executable,
        cwd=CHECKOUT, stdout=-1, stderr=-1, env={
            **{name: value for name, value in environment(out / "data").items()
               if name not in {"APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "ANTHROPIC_API_KEY"}},
            "JOURNEYMAN_SANDBOX": "none", "JOURNEYMAN_ALLOW_UNSANDBOXED": "1",
        },
    )  # fmt: skip
    output, errors_of_check = await ran.communicate()
    assert (ran.returncode, errors_of_check) == (1, b"")
    lines = output.decode().splitlines()
    assert f"ok    private key: it is that of App {app.id}, {world.url}/apps/{app.slug}" in lines
    assert f"ok    webhook address: {HOOK}" in lines
    (wrong,) = [line for line in lines if line.startswith("wrong")]
    assert wrong.startswith("wrong settings: ANTHROPIC_API_KEY is not set — ")


async def test_a_channel_is_kept_for_development(world: World, tmp_path: Path) -> None:
    """With WEBHOOK_PROXY_URL, and on a person's own account, the channel is what GitHub is told."""
    channel = "http://127.0.0.1:9/abcdef"
    async with _setting_up(world, tmp_path / "out", WEBHOOK_PROXY_URL=channel) as person:
        form = await person.form()
        assert URL(form.action).path == "/settings/apps/new"
        assert json.loads(form.manifest)["hook_attributes"]["url"] == channel
        await person.visit(await person.agree(form))
        assert (await person.end())[0] == 0
    assert f"\nWEBHOOK_PROXY_URL={channel}\n" in (tmp_path / "out" / "journeyman.env").read_text()
    assert world.hook_url == channel


async def test_only_our_own_state_is_taken_once(world: World, tmp_path: Path) -> None:
    """Other pages, states and codes are refused and change nothing; the right one is good once."""
    out = tmp_path / "out"
    async with _setting_up(world, out, "--url", HOOK) as person:
        form = await person.form()
        port = URL(await person.address()).port
        home = URL.build(scheme="http", host="127.0.0.1", port=port)
        assert (await person.visit(home / "guessed"))[0] == 404
        assert (await person.visit(home))[0] == 404
        back = URL(await person.agree(form))
        stolen = back.update_query(state="0" * 43)
        for wrong in (stolen, back.without_query_params("state"), back.update_query(state="é")):
            assert (await person.visit(wrong))[0] == 400
        for bad in ("", "../../x", "a/b", "a b", "x" * 256):
            assert (await person.visit(back.update_query(code=bad)))[0] == 400
        assert not out.exists() or list(out.iterdir()) == []
        assert (await person.visit(back))[0] == 200
        code, _, errors = await person.end()
    assert code == 0
    assert "a state that is not ours" in errors
    assert (out / "journeyman.env").exists()


async def test_a_used_code_leaves_nothing(world: World, tmp_path: Path) -> None:
    """When GitHub refuses the code, one line says what to do, the page too, and no file is left."""
    out = tmp_path / "out"
    async with _setting_up(world, out, "--url", HOOK) as person:
        back = URL(await person.agree(await person.form()))
        path = f"{world.url}/app-manifests/{back.query['code']}/conversions"
        async with person.browser.post(path) as answer:
            assert answer.status == 201
        status, page = await person.visit(back)
        code, _, errors = await person.end()
    assert (status, code, errors.count("\n")) == (200, 1, 1)
    assert "GitHub refuses the code (404: Not Found)" in errors
    assert "GitHub refuses the code" in page
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("taken", ["journeyman.private-key.pem", "journeyman.env"])
@pytest.mark.parametrize("how", ["file", "dangling link"])
def test_nothing_is_overwritten(taken: str, how: str, quiet: Main, tmp_path: Path) -> None:
    """A target that exists, be it a link to nowhere, is refused before anything is made at GitHub."""
    if how == "file":
        (tmp_path / taken).write_text("mine")
    else:
        (tmp_path / taken).symlink_to(tmp_path / "nowhere")
    code, output, errors = quiet(_bare(tmp_path), "setup", "--out", str(tmp_path), "--url", HOOK)
    assert (code, output, errors.count("\n")) == (1, "", 1)
    assert f"{tmp_path / taken} exists already" in errors
    assert [each.name for each in tmp_path.iterdir()] == [taken]


def _bare(data_dir: Path) -> dict[str, str]:
    """Return an environment in which the App's own variables are as wrong as they are before it exists."""
    env = environment(data_dir, PRIVATE_KEY_PATH="/absent.pem", WEBHOOK_SECRET_FILE="/absent")
    for name in ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "ANTHROPIC_API_KEY"):
        del env[name]
    return env


def test_faults_are_one_line(quiet: Main, tmp_path: Path) -> None:
    """A taken port is 1, a wrong call and half of an Enterprise Server 2: one line, before a page is up."""
    env = _bare(tmp_path)
    out = ("--out", str(tmp_path / "out"))
    half = {name: value for name, value in env.items() if name != "GITHUB_SERVER_URL"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for expected, arguments, surroundings, told in [
            (1, ("--url", HOOK, "--port", port), env, f"cannot listen on 127.0.0.1, --port {port}"),
            (2, (), env, "no address for webhooks is known: give --url"),
            (
                2,
                ("--url", "bot.acme.test"),
                env,
                "--url 'bot.acme.test' must be an http:// or https:// address",
            ),
            (2, ("--url", HOOK, "--org", "../x"), env, "--org '../x' is not the name of an organization"),
            (2, ("--url", HOOK, "--name", "x" * 35), env, "--name must be 1 to 34 characters"),
            (2, ("--url", HOOK, "--name", ""), env, "--name must be 1 to 34 characters"),
            (2, ("--url", HOOK), half, "GITHUB_SERVER_URL and GITHUB_API_URL must name the same GitHub"),
        ]:
            code, output, errors = quiet(surroundings, "setup", *out, *arguments)
            assert (code, output, errors.count("\n")) == (expected, "", 1), errors
            assert told in errors
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


async def test_an_interrupt_leaves_nothing(world: World, tmp_path: Path) -> None:
    """Ctrl-C while it waits ends it with one word and without a file."""
    port = free_port()
    async with _setting_up(world, tmp_path / "out", "--url", HOOK, "--port", str(port)) as person:
        assert URL(await person.address()).port == port
        person.process.send_signal(signal.SIGINT)
        code, said, errors = await person.end()
    assert (code, errors) == (1, "journeyman: interrupted\n")
    assert f"ssh -L {port}:127.0.0.1:{port}" in said
    assert list((tmp_path / "out").iterdir()) == []


async def test_it_listens_on_loopback_only(world: World, tmp_path: Path) -> None:
    """The page is out of reach from other machines."""
    async with _setting_up(world, tmp_path / "out", "--url", HOOK) as person:
        port = URL(await person.address()).port
        listening = await asyncio.to_thread(Path("/proc/net/tcp").read_text)
    ours = [line.split()[1] for line in listening.splitlines()[1:] if f":{port:04X} " in line]
    assert {each.split(":")[0] for each in ours if each.endswith(f":{port:04X}")} == {"0100007F"}


def test_secrets_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """When the second file can't be made, the first one goes again; what lay there stays as it was."""
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_text("mine")
    with pytest.raises(UserFault, match="second can't be written: File exists"):
        secret_files.write({first: "secret", second: "secret"})
    assert not first.exists()
    assert second.read_text() == "mine"
    old = os.umask(0)
    try:
        secret_files.write({first: "secret"})
    finally:
        os.umask(old)
    assert _mode(first) == 0o600


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        ("https://a.test", Settings(), "https://a.test/api/github/webhooks"),
        ("https://a.test/", Settings(webhook_path="/hook"), "https://a.test/hook"),
        ("https://a.test/other/", Settings(public_url="https://b.test"), "https://a.test/other"),
        (None, Settings(public_url="https://b.test/bot"), "https://b.test/bot/api/github/webhooks"),
        (
            None,
            Settings(public_url="https://b.test", webhook_proxy_url="https://smee.io/x"),
            "https://smee.io/x",
        ),
    ],
)
def test_where_webhooks_go(given: str | None, settings: Settings, expected: str) -> None:
    """`--url` wins, then the channel, then the public address; a bare host gets our path."""
    assert manifests.hook_url(settings, given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "", "ftp://a.test", "https://user:pw@a.test", "https://a.test?x=1", "https://a b", "https://a.test:99999",
        "https://[::1", "https://a.test/ä",
    ],
)  # fmt: skip
def test_what_is_no_address_for_webhooks(given: str) -> None:
    """An address that GitHub could not use, or that holds a password, is refused."""
    with pytest.raises(UsageFault, match="--url"):
        manifests.hook_url(Settings(), given)


def test_the_form_goes_to_the_server_of_the_settings() -> None:
    """The form's address is built from the server's, whatever the state holds."""
    address = form_address("https://ghe.acme.test/", "acme", "a&b")
    assert address == "https://ghe.acme.test/organizations/acme/settings/apps/new?state=a%26b"
