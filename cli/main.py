"""The program: its options, its commands, and what an exception means to whoever called it.

A command's module is imported when the command is used, and holds a click command named `command`.
What that returns is the exit code; None is 0.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from offtracfs.errors import DatabaseError, DiskFull, OfftracfsError, UsageError

from . import text
from .text import said

# The first sentence of each command's help, repeated here so that a list of commands need not import them.
COMMANDS = {
    "check": "Say whether all is well, or what is not.",
    "comment": "Comment on ticket N, or change it; it waits until it is pushed.",
    "demo": "Mount a made-up tracker with ten years of history at MOUNTPOINT.",
    "diff": "Say what has changed from moment A to moment B, ticket by ticket.",
    "discard": "Take back what was saved of ticket N and not pushed yet.",
    "index": "Look at the index, or build it anew.",
    "init": "Make a database for the tracker at URL, once it has answered.",
    "log": "List what was changed in the tracker, or in ticket N, newest first.",
    "mount": "Show the database at MOUNTPOINT, an empty directory, and keep it in step with the tracker.",
    "new": "Write a new ticket in $EDITOR; it waits until it is pushed.",
    "open": "Show ticket N on the tracker's own page, in the browser.",
    "pending": "Show what waits to be pushed, how it differs from the tracker, and what was refused.",
    "push": "Send what waits to the tracker: all of it, or of the tickets N.",
    "query": "List the tickets that a query in Trac's query language asks for.",
    "report": "Run one of the tracker's own reports, or list them.",
    "search": "Find tickets by the words in their texts, the best first, at any moment.",
    "show": "Show ticket N with all that was said and done about it.",
    "sql": "Run one SELECT on Trac's own tables, as they stand or stood.",
    "status": "Say what is where.",
    "sync": "Bring the database up to date with the tracker.",
    "teamtrack": "Ask a TeamTrack itself: list the records of a table.",
    "umount": "Take the mount at MOUNTPOINT away, and come back when its processes have ended.",
    "web": "Show the tracker in a browser, as it is and as it was, until Ctrl-C.",
}
COMPLETE = "_OFFTRACFS_COMPLETE"  # in the environment of a shell that asks for completions (click's rule)
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
BROKEN_PIPE = 1  # click's exit code for that
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Errors of the system that any program may meet: they are no bug of this one.
_REFUSED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    *_FULL,
)


def _laid_out(command: click.Command) -> click.Command:
    r"""Put a backspace for each ``\b`` in a command's help: click does not wrap the paragraph after one."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    return command


class _Modules(Mapping[str, click.Command]):
    """The commands by name.

    Each is imported when it is used, so that a command starts without loading the others.
    """

    def __getitem__(self, name: str) -> click.Command:
        if name not in COMMANDS:
            raise KeyError(name)
        return _laid_out(import_module(f".{name}", __package__).command)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Program(click.Group):
    """A group whose errors are one sentence on stderr and an exit code of sysexits.h."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _laid_out(self)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in ``--help``; click itself would load each of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that a shell offers; click itself would load each, and cut what it says of it."""
        found = [CompletionItem(name, help=words) for name, words in COMMANDS.items()]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [item for item in found if item.value.startswith(incomplete)] + options

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. What click's parser says of its options gets its context, for `_answer`."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            name = ctx.invoked_subcommand
            if error.ctx is None and name:
                error.ctx = click.Context(self.commands[name], ctx, name)
            raise

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and end the process. Never returns."""
        if COMPLETE in os.environ:
            from . import completion  # noqa: F401  # which tells click how shells are answered
        try:
            code = super().main(*args, **extra | {"standalone_mode": False})
        except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:
            code = explain(error)
        sys.exit(code)


def explain(error: BaseException) -> int:
    """Say on stderr what went wrong, and return the exit code. All exceptions of a command end here."""
    causes = list(_causes(error))
    if any(isinstance(cause, KeyboardInterrupt | click.Abort) for cause in causes):
        return INTERRUPTED
    if any(isinstance(cause, BrokenPipeError) for cause in causes):
        # So that flushing stdout at exit does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    answers = [_answer(cause) for cause in causes]
    if None in answers:
        import traceback  # seldom needed

        traceback.print_exception(error)
        _say("This is a bug in offtracfs: please report it, with the lines above.")
        return OfftracfsError.exit_code
    sentence, code = answers[0] or ("", 0)
    _say(sentence)
    return code


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group (trio's nurseries raise them), or the one there is."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _answer(error: BaseException) -> tuple[str, int] | None:
    """A sentence and an exit code; None for an exception that only a bug raises."""
    match error:
        case OfftracfsError():
            return str(error), error.exit_code
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "offtracfs"
            return f"{error.format_message()} See `{path} --help`.", UsageError.exit_code
        case click.ClickException():
            return error.format_message(), error.exit_code
        case FileNotFoundError(filename="git"):
            return "There is no git: install the package git.", DatabaseError.exit_code
        case OSError(errno=number) if number in _REFUSED:
            kind = DiskFull if number in _FULL else DatabaseError
            return f"{error.filename or 'The system'}: {error.strerror}.", kind.exit_code
    return None


def _say(sentence: str) -> None:
    click.echo(f"offtracfs: {said(sentence)}", err=True)


def _default_database() -> Path:
    import platformdirs  # where --db is given, it is not needed

    return platformdirs.user_data_path("offtracfs")


@click.group(
    cls=Program,
    commands=_Modules(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--db",
    type=click.Path(path_type=Path),
    envvar="OFFTRACFS_DB",
    default=_default_database,
    help="The database: a directory that holds one tracker. Default: $OFFTRACFS_DB, else a directory "
    "below $XDG_DATA_HOME.",
)
@click.option("--no-pager", is_flag=True, help="Show tables and texts at once, and not through $PAGER.")
@click.version_option(package_name="offtracfs", message="%(package)s %(version)s")
@click.pass_context
def main(context: click.Context, db: Path, no_pager: bool) -> None:  # no_pager is for `paged`
    r"""An issue tracker as files, offline, with its whole past.

    \b
      offtracfs init https://trac.example.org     make a database for a Trac
      offtracfs sync                              fetch what is new
      offtracfs mount ~/trac                      show it as files, and keep it in step
      ls ~/trac/ticket ~/trac/@2011-04-09/ticket  today, and at the end of that day
      offtracfs umount ~/trac

    `offtracfs demo ~/trac` shows all this on a made-up tracker, without a server.

    Exit codes are those of sysexits.h: 64 wrong usage, 65 damaged or suspicious data, 66 no database
    there, 68 no tracker there, 69 the tracker does not answer, 70 a bug, 71 the mount failed, 73 the disk
    is full, 74 other trouble with the database, 75 another process is writing it, 76 the tracker's answer
    is of no use, 77 login refused or permission missing, 78 the database is of a later version.
    """
    if context.get_parameter_source("db") is ParameterSource.COMMANDLINE:
        text.given_database = str(db)
    context.obj = db.absolute()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
