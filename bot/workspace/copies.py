"""Decide how a folder is copied and to whom the copy belongs."""

import asyncio
import os
from pathlib import Path


async def copy(source: Path, target: Path) -> None:
    """Copy a folder's content into another, which keeps its owner; no file is shared, links stay links.

    Nothing may run in the source meanwhile. Raises OSError when the disk is full or the source unreadable.
    """
    uid = (await asyncio.to_thread(target.lstat)).st_uid
    await _tool("cp", "-a", "--no-preserve=links", "--reflink=auto", "--", f"{source}/.", str(target))
    await give(target, uid)


async def lend(source: Path, target: Path) -> None:
    """Fill a folder from one of ours for the user who owns it, who can change nothing of the original.

    As root with hard links, which cost no space: that user may unlink and replace them, and never write them.
    Otherwise with copies. Nothing may run in the source meanwhile; raises OSError as `copy` does.
    """
    uid = (await asyncio.to_thread(target.lstat)).st_uid
    if os.geteuid() != 0 or uid == 0:
        await copy(source, target)
        return
    await _tool("cp", "-al", "--", f"{source}/.", str(target))
    await _tool("find", str(target), "-type", "d", "-exec", "chown", f"{uid}:{uid}", "{}", "+")


async def give(folder: Path, uid: int) -> None:
    """Hand a folder to one user; what is the bot's afterwards everyone may read and only it may write."""
    if os.geteuid() != 0:
        return
    await _tool("chown", "-hR", f"{uid}:{uid}", "--", str(folder))
    if uid == 0:
        await _tool("chmod", "-R", "go-w,a+rX", "--", str(folder))


async def _tool(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise OSError(f"{argv[0]} failed: {errors.decode('utf-8', 'replace')[:500]}")
