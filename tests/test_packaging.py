"""What an installation needs: system packages, man page, completions, mount helper, unit, wheel."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from offtracfs.database import Database, Settings
from offtracfs.mount.mountpoints import mounted_at
from tests.conftest import needs
from tests.helpers import ROOT, let_others_in
from tests.mounting import append, missing, new_database, unmounted_after
from tests.program import INSTALLED


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """What a command says and how it ends, with these variables added to the environment."""
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | env, cwd="/", check=False, timeout=60
    )


@pytest.fixture(scope="module")
def program() -> click.Group:
    """The installed entry point."""
    (script,) = entry_points(group="console_scripts", name="offtracfs")
    group: click.Group = script.load()
    return group


def install_around(program: Path, prefix: Path) -> Path:
    """A prefix as `make install` leaves it, but with `program` for the installed one."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "offtracfs").symlink_to(program)
    made = run("make", "-C", ROOT, "install-files", f"PREFIX={prefix}", f"HELPERS={prefix}/sbin")
    assert made.returncode == 0, made.stderr
    return prefix


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files around the real program."""
    return install_around(INSTALLED, tmp_path_factory.mktemp("installed") / "prefix")


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mount helper, installed with a program that only says how it was called."""
    folder = tmp_path_factory.mktemp("helper")
    program = folder / "says"
    program.write_text('#!/bin/sh\necho "$(id -un):" "$@"\n')
    program.chmod(0o755)
    let_others_in(folder)
    return install_around(program, folder / "prefix") / "sbin" / "mount.offtracfs"


def options_of(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option[:2] == "--"}


def test_man_page_names_every_command_and_option(program: click.Group) -> None:
    """The man page names the commands and options that there are, each in its place, and no others."""
    page = (ROOT / "packaging" / "offtracfs.1").read_text().replace("\\-", "-")
    sections = dict(re.findall(r"^\.SH ([A-Z ]+)\n(.*?)(?=^\.SH|\Z)", page, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:\\fB|\.B )([a-z]+)(?:\\fR|$)(.*)$", sections["COMMANDS"], re.MULTILINE)
    documented = {name: set(re.findall(r"--[a-z-]+", rest)) for name, rest in lines}
    assert documented == {name: options_of(command) for name, command in program.commands.items()}
    general = set(re.findall(r"^\.BI? (--[a-z-]+)", sections["OPTIONS"], re.MULTILINE))
    assert general == options_of(program) | {"--help"}


def test_man_page_explains_every_setting() -> None:
    """The man page has an entry for each setting of config.toml, and for no other."""
    page = (ROOT / "packaging" / "offtracfs.1").read_text()
    files = page.partition(".SH FILES")[2].partition(".SH")[0]
    assert re.findall(r"^\.TP\n\.B (\S+)$", files, re.MULTILINE) == [item.name for item in fields(Settings)]


def test_runs_as_a_module(program: click.Group) -> None:
    """`python -m offtracfs_cli` is the same program as the installed script."""
    helps = [
        run(INSTALLED, "--help").stdout,
        run(sys.executable, "-P", "-m", "offtracfs_cli", "--help").stdout,
    ]
    for text in helps:
        listed = re.findall(r"^  ([a-z]+)\b", text.partition("Commands:")[2], re.MULTILINE)
        assert listed == sorted(program.commands)


def test_bash_completes_the_commands(prefix: Path, program: click.Group) -> None:
    """Bash, having read the installed completions, offers every command."""
    script = """
        source "$PREFIX/share/bash-completion/completions/offtracfs"
        function=$(complete -p offtracfs | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=(offtracfs "") COMP_CWORD=1
        "$function" offtracfs
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{prefix}/bin:{os.environ['PATH']}"
    offered = run("bash", "-c", script, PREFIX=str(prefix), PATH=path).stdout.split()
    assert offered == sorted(program.commands)


@pytest.mark.parametrize(
    "file", ["zsh/site-functions/_offtracfs", "fish/vendor_completions.d/offtracfs.fish"]
)
def test_other_shells_get_completions(prefix: Path, file: str) -> None:
    """The completions for zsh and fish ask the program in the way that it understands."""
    assert "_OFFTRACFS_COMPLETE=" in (prefix / "share" / file).read_text()


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("", "mount"),
        ("rw,nosuid,nodev,noexec,relatime,user,user=me,noauto,_netdev,x-systemd.automount", "mount"),
        ("allow_other,interval=60,no_sync", "mount --allow-other --interval 60 --no-sync"),
        ("write,noauto", "mount --write"),
        ("rw,interval=60,nofail", "mount --interval 60"),
    ],
)
def test_mount_helper_translates_options(helper: Path, options: str, arguments: str) -> None:
    """The helper turns fstab's options into ours and drops those meant for mount(8) and systemd."""
    flags = ["-o", options] if options else []
    said = run(helper, "/a database", "/mnt/a b", "-n", "-v", *flags).stdout
    assert said.partition(": ")[2] == f"--db /a database {arguments} -- /mnt/a b\n"


def test_mount_helper_refuses_unknown_options(helper: Path) -> None:
    """An option that nobody knows is an error that names it, unless mount was told to be sloppy."""
    refused = run(helper, "/db", "/mnt", "-o", "rw,intervall=60")
    assert refused.returncode == 1
    assert "unknown option intervall=60" in refused.stderr
    assert run(helper, "/db", "/mnt", "-s", "-o", "rw,intervall=60").returncode == 0


def test_mount_helper_pretends(helper: Path) -> None:
    """With -f, which is `mount --fake`, nothing is run."""
    assert run(helper, "/db", "/mnt", "-f").stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_mount_helper_becomes_the_owner(helper: Path) -> None:
    """With setuid=USER, root mounts as that user."""
    assert run(helper, "/db", "/mnt", "-o", "setuid=nobody").stdout == "nobody: --db /db mount -- /mnt\n"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database with one ticket, which can be mounted."""
    if reason := missing():
        needs(reason)
    made = new_database(tmp_path / "database")
    append(made, (1_300_000_000, {"ticket/1.json": b"[]\n"}))
    return made


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """Where to mount; nothing stays mounted there."""
    path = tmp_path / "trac"
    path.mkdir()
    with unmounted_after(path):
        yield path


def test_mount_helper_mounts(prefix: Path, database: Database, mountpoint: Path) -> None:
    """The helper mounts, under the name by which `mount -a` knows that it has done so."""
    done = run(prefix / "sbin/mount.offtracfs", database.path, mountpoint, "-o", "rw,nosuid,noauto,no_sync")
    assert done.returncode == 0, done.stderr
    assert (mountpoint / "ticket" / "1.json").read_bytes() == b"[]\n"
    assert mounted_at(mountpoint) == ("fuse.offtracfs", str(database.path))


def test_unit_mounts_and_unmounts(prefix: Path, database: Database, mountpoint: Path) -> None:
    """What the unit starts stays in the foreground until what it stops with has unmounted it."""
    unit = (prefix / "share/systemd/user/offtracfs@.service").read_text()
    meanings = {"%h": str(mountpoint.parent), "%i": mountpoint.name, "$OFFTRACFS_OPTIONS": "--no-sync"}
    for word, meaning in meanings.items():
        unit = unit.replace(word, meaning)
    commands = {name: line.split() for name, line in re.findall(r"^(Exec\w+)=(.*)$", unit, re.MULTILINE)}
    environment = os.environ | {"OFFTRACFS_DB": str(database.path)}
    with (
        Path("/proc/self/mountinfo").open() as table,
        subprocess.Popen(commands["ExecStart"], env=environment) as driver,
        unmounted_after(mountpoint),
    ):
        changes = select.poll()
        changes.register(table, select.POLLERR)
        while not mounted_at(mountpoint):
            assert changes.poll(10_000), "nothing was mounted"
        assert (mountpoint / "ticket" / "1.json").exists()
        assert run(*commands["ExecStop"]).returncode == 0
        assert driver.wait(10) == 0


def test_wheel_holds_both_packages(tmp_path: Path) -> None:
    """A wheel has every module, what web pages need, and the mark that all is typed; and nothing else."""
    source = tmp_path / "source"
    for folder in ("offtracfs", "cli"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet"]
    built = run(*pip, "--wheel-dir", tmp_path, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    library = {str(path.relative_to(ROOT)) for path in (ROOT / "offtracfs").rglob("*.py")}
    command_line = {
        f"offtracfs_cli/{path.relative_to(ROOT / 'cli')}" for path in (ROOT / "cli").rglob("*.py")
    }
    web = {str(path.relative_to(ROOT)) for path in (ROOT / "offtracfs/web").glob("[st]*/*")}
    assert packed == library | command_line | web | {"offtracfs/py.typed"}


@pytest.fixture
def bare_path(tmp_path: Path) -> Callable[..., Path]:
    """Makes a PATH with everything that this machine has but the programs named."""

    def make(*without: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for part in reversed(os.get_exec_path()):
            for program in Path(part).iterdir() if Path(part).is_dir() else ():
                link = folder / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program)
        for name in without:
            (folder / name).unlink(missing_ok=True)
        return folder

    return make


def system_dependencies(*purposes: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run(ROOT / "packaging" / "system-dependencies", *purposes, **env)


def test_nothing_is_installed_twice(bare_path: Callable[..., Path]) -> None:
    """Where everything is there, nothing is said and no package manager or sudo is needed."""
    path = bare_path("apt-get", "sudo")
    done = system_dependencies("run", "build", "test", PATH=str(path), PYTHON=sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_other_systems_are_told_what_to_install(bare_path: Callable[..., Path]) -> None:
    """Without apt-get, one sentence names what is missing and nothing else."""
    path = bare_path("apt-get", "rsync", "fusermount3")
    done = system_dependencies("run", "test", PATH=str(path), PYTHON=sys.executable)
    assert done.returncode == 1
    assert done.stderr == (
        "offtracfs: please install what provides this on your system (Debian's names): fuse3 rsync.\n"
    )


def test_only_what_is_missing_is_installed(bare_path: Callable[..., Path], tmp_path: Path) -> None:
    """apt-get is asked, without questions, for the one package that is missing."""
    path = bare_path("apt-get", "sudo", "nano")
    manager = path / "apt-get"
    manager.write_text(
        f'#!/bin/sh\nif [ "$1" = indextargets ]; then echo lists; exit; fi\n'
        f'echo "$@" >>{tmp_path}/log\nln -sf /bin/true {path}/nano\n'
    )
    manager.chmod(0o755)
    (path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (path / "sudo").chmod(0o755)
    done = system_dependencies("test", PATH=str(path), PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    update, install = (tmp_path / "log").read_text().splitlines()
    assert update.split()[-1] == "update"
    assert "--yes" in install.split()
    assert install.split()[-1] == "nano"
    assert "rsync" not in install


def test_old_python_is_refused(tmp_path: Path) -> None:
    """An interpreter that is too old is named, with the remedy, before anything is installed."""
    old = tmp_path / "python3.10"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10); $2"\n')
    old.chmod(0o755)
    done = system_dependencies("run", PYTHON=str(old))
    assert done.returncode == 1
    assert re.fullmatch(r"offtracfs: Python 3\.11 or later is needed, and \S+ is older: .*\n", done.stderr)
