"""A database directory, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from offtracfs import index
from offtracfs.database import lock
from offtracfs.database.files import write
from offtracfs.database.settings import Settings, read_settings, settings_text
from offtracfs.database.snapshot import Snapshot
from offtracfs.database.state import State, read_state, write_state
from offtracfs.errors import DatabaseDamaged, DatabaseTooOld, NotADatabase, UsageError, cannot_write
from offtracfs.progress import Progress, silent
from offtracfs.store import git

if TYPE_CHECKING:
    from offtracfs.search import Query, Search
    from offtracfs.store import Store

LOCK = "lock"
FETCH_LOCK = "fetch.lock"
PUSH_LOCK = "push.lock"


class Database:
    """A database directory, opened for reading.

    To ask the tracker or to write, take the lock `fetching` or `writing`.

    Raises NotADatabase where the directory is no database, or a part is missing; UsageError and
    DatabaseDamaged for its settings.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = read_settings(path / "config.toml")
        if not (path / "git").is_dir():
            raise NotADatabase(f"There is no git repository in {path}: it is no whole database.")

    @cached_property
    def store(self) -> Store:
        """The git repository, opened when it is first used. Raises NotADatabase where there is none."""
        from offtracfs.store import Store  # libgit2 takes 50 ms to load, which SQL can do without

        return Store(self.path / "git")

    @classmethod
    def create(cls, path: Path, settings: Settings) -> Database:
        """A new, empty database; all of it or, where something fails, nothing.

        Raises UsageError where something is in that place already, DiskFull, DatabaseError.
        """
        from offtracfs.store import Store

        path = path.resolve()
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UsageError(f"{path} is there already and not empty: choose another place with --db.")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as part:
                made = Path(part) / "db"
                made.mkdir(mode=0o700)
                Store.create(made / "git")
                write(made / "config.toml", settings_text(settings).encode())
                made.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        return cls(path)

    def reader(self, *, upgrades: bool = False) -> index.Reader:
        """A reader of the index, which is built first where it is missing or of no use.

        An index of an earlier version is built again only with `upgrades`, since that may take minutes;
        otherwise this raises DatabaseTooOld. Raises DatabaseDamaged where the index cannot be built, and
        DatabaseBusy where another process writes.
        """
        try:
            return index.Reader(self.path, heals=True)
        except DatabaseDamaged as error:
            if isinstance(error, DatabaseTooOld) and not upgrades:
                raise
            with self.writing("building the index"):
                self.catch_up()
            return index.Reader(self.path, heals=True)

    def catch_up(self, progress: Progress = silent) -> int:
        """Bring the index up to git, and the search index up to that; the number of commits that were new.

        What is missing, damaged or of an earlier version is built anew. Only the holder of `writing` may call
        this. Raises DatabaseTooNew, DatabaseBusy, DiskFull, and DatabaseDamaged where git cannot be read.
        """
        from offtracfs import search

        commits = index.catch_up(self.path, self.store, progress)
        search.catch_up(self.path, progress)
        return commits

    def rebuild(self, progress: Progress = silent) -> int:
        """Build the index and the search index anew; the number of commits. Raises as `catch_up`."""
        from offtracfs import search

        commits = index.rebuild(self.path, self.store, progress)
        search.rebuild(self.path, progress)
        return commits

    def prepare_search(self) -> None:
        """Build the search index, or bring it up, where it does not stand where the index does.

        Raises as `catch_up`.
        """
        from offtracfs import search

        with closing(self.reader()) as reader:
            head = reader.head()
        found = search.inspect(self.path)
        if head and (found is None or (found.version, found.revision) != (found.program, head.number)):
            with self.writing("building the search index"):
                self.catch_up()

    def search(
        self, query: Query, revision: index.Revision, stopped: Callable[[], bool] | None = None
    ) -> Search:
        """A search at a revision, to be used in a ``with``. The search index is built where it is missing.

        Raises as `reader` does.
        """
        from offtracfs.search import Search

        try:
            return Search(self.path, query, revision, stopped)
        except DatabaseTooOld:
            raise
        except DatabaseDamaged:  # there is none yet, or it lags behind
            with self.writing("building the search index"):
                self.catch_up()
            return Search(self.path, query, revision, stopped)

    @contextmanager
    def snapshot(self, revision: index.Revision | None = None, *, few: bool = False) -> Iterator[Snapshot]:
        """The records as they stood at a revision, or as they stand now. Raises as `reader`.

        `few` is as for `blobs`.
        """
        with closing(self.reader()) as reader:
            yield Snapshot(self.blobs(few=few), reader, revision or reader.head())

    def blobs(self, *, few: bool = False) -> Callable[[bytes], bytes]:
        """What gives a blob's contents by its id (20 bytes); it raises DatabaseDamaged.

        Where `few` of them are wanted, each is read by a git process, which takes 3 ms; else by libgit2,
        which takes 50 ms to load.
        """
        return partial(git.blob, self.path / "git") if few else self.store.blob

    def fetching(self, purpose: str) -> AbstractContextManager[None]:
        """Be the one who asks the tracker: for as long as that takes, which may be hours.

        Only its holder may open the spool. A process that needs both locks takes this one first, and holds
        `writing` only while it writes: never while it waits for the tracker. Raises DatabaseBusy, naming who
        holds it, where another process does; DatabaseError.
        """
        return lock.held(self.path / FETCH_LOCK, purpose, "synced")

    def fetcher(self) -> str:
        """The signature of the process that holds the fetch lock; "" where none does."""
        return lock.holder(self.path / FETCH_LOCK)

    def pushing(self, purpose: str) -> AbstractContextManager[None]:
        """Be the one who sends drafts to the tracker. Raises DatabaseBusy, naming who does; DatabaseError."""
        return lock.held(self.path / PUSH_LOCK, purpose, "pushed")

    def writing(self, purpose: str) -> AbstractContextManager[None]:
        """Be the one writer of git, the index and the state: never while waiting for a network.

        Raises DatabaseBusy, naming who is, where another process is; DatabaseError.
        """
        return lock.held(self.path / LOCK, purpose, "written")

    def writer(self) -> str:
        """The signature of the process that holds the writer's lock; "" where none does."""
        return lock.holder(self.path / LOCK)

    def state(self) -> State:
        """How the last sync ended; a new State where none has, or where the file cannot be read."""
        return read_state(self.path / "state.json")

    def user(self) -> str:
        """As whom the tracker knows us: as ``config.toml`` has it, else as we were last logged in; or "".

        It is what $USER stands for in reports and queries.
        """
        return self.settings.user or self.state().user

    def save(self, state: State) -> None:
        """Keep the state. Raises DiskFull, DatabaseError."""
        write_state(self.path / "state.json", state)
