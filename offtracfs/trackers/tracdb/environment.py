"""A Trac environment's folder: where its database is, as its ``conf/trac.ini`` says.

The password that may stand in there is never taken: the address is kept in ``config.toml``.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from offtracfs.errors import UsageError
from offtracfs.trackers.tracdb.address import NO_MYSQL, SECRETS, checked_url, parse
from offtracfs.trackers.tracdb.ini import read

DATABASE = "sqlite:db/trac.db"  # unless trac.ini says otherwise


def address_of_path(path: str) -> str:
    """The address of the database of the environment at `path`; or of the SQLite database that is there.

    Raises UsageError where there is neither, TrackerError where trac.ini cannot be read.
    """
    place = Path(path).absolute()
    if not path or not place.exists():
        raise UsageError(
            "That is not a web address, which begins with https:// or http://, and there is no such folder."
        )
    return address(f"trac+sqlite://{_quoted(place)}")


def address(url: str) -> str:
    """An address as it is kept: where it is that of an environment's folder, that of its database.

    Raises UsageError, and TrackerError where trac.ini cannot be read.
    """
    found = parse(url)
    if not (found.file and found.file.is_dir()):
        return url
    folder, named = found.file, "trac_ini" in found.server.query
    ini = found.ini if named and found.ini else folder / "conf" / "trac.ini"
    if not ini.exists() and not (folder / "db" / "trac.db").exists():
        raise UsageError(
            f"{folder} is no environment of a Trac: there is no {ini}. A folder that offtrac kept is"
            f" offtrac://{_quoted(folder)}."
        )
    database = read(ini).section("trac").get("database", DATABASE) if ini.exists() else DATABASE
    scheme, _, rest = database.partition(":")
    if scheme == "sqlite":
        return _sqlite(folder, rest, ini)
    if scheme == "postgres":
        return _postgresql(rest, ini)
    raise UsageError(NO_MYSQL if scheme == "mysql" else f"{ini} names no database that can be read here.")


def _sqlite(folder: Path, rest: str, ini: Path) -> str:
    name = rest.partition("?")[0]
    file = Path("/", name.lstrip("/")) if name.startswith("/") else folder / name
    url = f"trac+sqlite://{_quoted(file)}"
    return checked_url(url if parse(url).ini == ini else f"{url}?{urlencode({'trac_ini': ini})}")


def _postgresql(rest: str, ini: Path) -> str:
    """From what follows the scheme: ``//USER:PASSWORD@HOST/DATABASE?NAME=VALUE``, in part."""
    authority, _, database = rest.removeprefix("//").partition("/")
    login, at, host = authority.rpartition("@")
    if "@" in database:  # a password with a slash, which Trac does not understand either, would end up there
        raise UsageError(f"The database in {ini} is not understood: write the / in its password as %2F.")
    name, _, options = database.partition("?")
    kept = [(option, value) for option, value in parse_qsl(options) if option not in SECRETS]
    query = urlencode([*kept, ("trac_ini", str(ini))])
    return checked_url(f"trac+postgresql://{login.partition(':')[0]}{at}{host}/{name}?{query}")


def _quoted(path: Path) -> str:
    return quote(str(path), errors="surrogateescape")
