"""
Revision: which code runs, found without asking anybody.

First the variables that a person or a platform sets, then the git repository that holds the
working folder, read from its files: no program is started, and a container without git is no
hindrance. What is found is a name of at most 64 letters, digits and the like, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

OWN = "KEIKO_PERF_REVISION"
SAID = "KEIKO_PERF_DEPLOY"
"""What a deploy is called, in the words of whoever deploys."""
_VARIABLES = (
    OWN,
    "GIT_COMMIT",
    "GIT_SHA",
    "COMMIT_SHA",
    "SOURCE_VERSION",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "HEROKU_SLUG_COMMIT",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
    "VERCEL_GIT_COMMIT_SHA",
    "K_REVISION",
    "WEBSITE_DEPLOYMENT_ID",
)
_NAME = re.compile(r"[\w./+@:-]{1,64}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOST_BYTES = 4 << 20


def find_revision(environ: Mapping[str, str], folder: Path) -> str | None:
    """
    The revision of the code that runs; None if nothing tells.

    Args:
        environ: the process's variables.
        folder: where the code is; the repository may be that of a folder above it.
    """
    for name in _VARIABLES:
        value = environ.get(name, "").strip()
        if _NAME.fullmatch(value):
            return value
    try:
        return _of_git(folder)
    except (OSError, UnicodeDecodeError):
        return None  # not to be read is not known


def said_of_deploy(environ: Mapping[str, str]) -> str | None:
    """What `KEIKO_PERF_DEPLOY` says, in one line; None if it says nothing."""
    said = " ".join(environ.get(SAID, "").split())
    return said[:200] if said and said.isprintable() else None


def _of_git(folder: Path) -> str | None:
    for above in (folder, *folder.parents):
        git = above / ".git"
        if git.exists():
            return _head(_git_folder(git))
    return None


def _git_folder(git: Path) -> Path:
    """The folder itself, or the one that the file of a worktree or a submodule names."""
    if git.is_dir():
        return git
    return git.parent / _text(git).removeprefix("gitdir:").strip()


def _head(git: Path) -> str | None:
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    shared = git / "commondir"
    # A worktree has a HEAD of its own, and its branches where the repository is.
    homes = (git, git / _text(shared)) if shared.is_file() else (git,)
    for home in homes:
        loose = home / name
        if loose.is_file() and _COMMIT.fullmatch(commit := _text(loose)):
            return commit
        packed = home / "packed-refs"
        if packed.is_file() and (found := _packed(packed, name)):
            return found
    return None


def _packed(file: Path, name: str) -> str | None:
    for line in _text(file).splitlines():
        commit, _, ref = line.partition(" ")
        if ref == name and _COMMIT.fullmatch(commit):
            return commit
    return None


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_MOST_BYTES).decode().strip()
