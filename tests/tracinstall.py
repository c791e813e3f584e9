"""Real Tracs for the tests, installed once into a cache.

Two generations, because sites run both and they answer differently:

* modern: Trac 1.6 and its RPC plugin 1.2.0, which only Debian ships (package trac-xmlrpc), on our Python;
* legacy: Trac 1.2.6 and plugin 1.1.9 on Python 2.7, which last stood in Debian bullseye.

Packages come from where this machine's pip and apt get theirs.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs

PASSWORD = "secret"
RIGHTS = {
    "admin": ["TRAC_ADMIN"],
    "reader": ["XML_RPC", "TICKET_VIEW", "REPORT_VIEW", "REPORT_SQL_VIEW", "TIMELINE_VIEW"],
    "narrow": ["XML_RPC", "TICKET_VIEW"],
    "guest": ["TICKET_VIEW"],
}
"""Who may log in with PASSWORD, and what they may do; nobody else may do anything."""

VERSION = 3  # of how it is installed, and of the template: a higher one installs anew
MODERN = ["Trac==1.6", "setuptools<81"]  # Trac's RPC plugin imports pkg_resources
MODERN += ["TracAccountManager==0.6.0", "passlib==1.7.4"]  # which needs it from Python 3.13 on
MODERN += [f"Pygments=={version('Pygments')}"]  # as here, so that both highlight alike
LEGACY = ["Trac==1.2.6", "TracXMLRPC==1.1.9"]
LEGACY_ANY = ["Genshi==0.7.5", "six==1.16.0", "setuptools==44.1.1"]  # the last to run on Python 2.7
PYTHON2 = [
    "python2.7",
    "python2.7-minimal",
    "libpython2.7-stdlib",
    "libpython2.7-minimal",
    "libffi7",
    "libssl1.1",
]
_PACKAGES = {"modern": MODERN, "legacy": [*LEGACY, *LEGACY_ANY, *PYTHON2]}


class CannotInstall(Exception):
    """Why there is no such Trac on this machine."""


@dataclass(frozen=True)
class Installation:
    """An installed Trac: how to run its Python, and an environment to copy."""

    python: tuple[str, ...]
    environ: dict[str, str]
    template: Path

    def run(self, *arguments: str, text: str | None = None) -> None:
        """Runs a Python module with arguments. Raises CannotInstall."""
        _run([*self.python, "-m", *arguments], env=self.environ, input=text)


def _run(command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise CannotInstall(f"{' '.join(command[:4])} …: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


def installed(kind: str, packages: Sequence[str] = ()) -> Installation:
    """The Trac of that kind ("modern", "legacy"), installed if it was not. Raises CannotInstall.

    `packages` are more of them for a modern one, which are put into a directory of their own.
    """
    cache = Path(os.environ.get("OFFTRACFS_TEST_CACHE") or platformdirs.user_cache_path("offtracfs-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    recipe = repr((VERSION, sys.version, *_PACKAGES[kind]))
    prefix = cache / f"{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not prefix.exists():
            unfinished = cache / f"unfinished-{kind}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            _INSTALL[kind](unfinished)
            _make_template(_installation(kind, unfinished))
            unfinished.rename(prefix)
        made = _installation(kind, prefix)
        if not packages:
            return made
        more = prefix / "-".join(["with", *packages])
        if not more.exists():
            unfinished = prefix / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _run(
                [
                    str(made.python[0]),
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--target",
                    str(unfinished),
                    *packages,
                ]
            )
            unfinished.rename(more)
        return replace(made, environ=made.environ | {"PYTHONPATH": str(more)})


def _installation(kind: str, prefix: Path) -> Installation:
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(prefix)}
    template = prefix / "template"
    if kind == "modern":
        return Installation((str(prefix / "bin/python"),), environ, template)
    libraries = [str(path) for path in (prefix / "root/usr/lib").glob("*-linux-*")]
    environ |= {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PYTHONHOME": str(prefix / "root/usr"),
        "PYTHONPATH": str(prefix / "site"),
    }
    return Installation((str(prefix / "root/usr/bin/python2.7"),), environ, template)


def _install_modern(prefix: Path) -> None:
    _run([sys.executable, "-m", "venv", str(prefix)])
    _run([str(prefix / "bin/python"), "-m", "pip", "install", "--quiet", *MODERN])
    _unpack(["trac-xmlrpc"], "trixie", prefix / "plugin")
    site = next((prefix / "lib").glob("python3*/site-packages"))
    shutil.copytree(prefix / "plugin/usr/lib/python3/dist-packages", site, dirs_exist_ok=True)


def _install_legacy(prefix: Path) -> None:
    _unpack(PYTHON2, "bullseye", prefix / "root")
    wheels = prefix / "wheels"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    download += ["--dest", str(wheels)]
    _run([*download, "--python-version", "27", "--implementation", "py", "--platform", "any", *LEGACY])
    _run([*download, *LEGACY_ANY])
    for wheel in wheels.iterdir():
        shutil.unpack_archive(wheel, prefix / "site", "zip")


_INSTALL = {"modern": _install_modern, "legacy": _install_legacy}


def _unpack(packages: list[str], suite: str, target: Path) -> None:
    """Unpacks packages of a Debian suite from this machine's own mirror; nothing is installed."""
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"]
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise CannotInstall("this machine has no apt")
    lines = [line.split(" ", 1) for line in _run(listing).splitlines()]
    mirrors = [uri for uri, origin in lines if origin == "Debian" and "security" not in uri]
    if not mirrors:
        raise CannotInstall("apt knows no Debian mirror")
    with tempfile.TemporaryDirectory() as work:
        for directory in ("lists/partial", "cache/archives/partial"):
            Path(work, directory).mkdir(parents=True)
        source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirrors[0]} {suite} main\n"
        Path(work, "sources.list").write_text(source)
        settings = {
            "Dir::Etc::SourceList": f"{work}/sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": f"{work}/lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": f"{work}/cache",
            "APT::Sandbox::User": "",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Retries": "3",
        }
        apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
        _run([*apt, "update"])
        _run([*apt, "download", *packages], cwd=work)
        for package in Path(work).glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(target)])


def _make_template(installation: Installation) -> None:
    env = installation.template
    installation.run("trac.admin.console", str(env), "initenv", "template", "sqlite:db/trac.db")
    commands = ["config set components tracrpc.* enabled", "config set timeline ticket_show_details true"]
    commands += ["permission remove anonymous *", "permission remove authenticated *"]
    commands += [f"permission add {user} {' '.join(rights)}" for user, rights in RIGHTS.items()]
    for command in commands:
        installation.run("trac.admin.console", str(env), *command.split())
    with closing(sqlite3.connect(env / "db/trac.db")) as database, database:
        database.execute("DELETE FROM report")
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
    (env / "htpasswd").write_text("".join(f"{user}:{{SHA}}{digest}\n" for user in RIGHTS))
