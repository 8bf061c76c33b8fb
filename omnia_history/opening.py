"""Opens the database of a URL."""

from omnia_core.errors import ConfigurationError
from omnia_history.database import Database

POSTGRES_SCHEMES = ("postgresql://", "postgres://")
MONGODB_SCHEMES = ("mongodb://", "mongodb+srv://")
SQLITE_SCHEME = "sqlite://"


def open_database(url: str) -> Database:
    """Return the database of a URL, which connects when it is first used.

    Raises:
        ConfigurationError: the URL is not one of a database with a history.
    """
    # Local imports: a process pays for one driver.
    if url.startswith(POSTGRES_SCHEMES):
        from omnia_history.postgres import PostgresDatabase  # noqa: PLC0415 - as above

        return PostgresDatabase(url)
    if url.startswith(f"{SQLITE_SCHEME}/"):
        from omnia_history.sqlite import SqliteDatabase  # noqa: PLC0415 - as above

        return SqliteDatabase(url.removeprefix(SQLITE_SCHEME))
    if url.startswith(MONGODB_SCHEMES):
        from omnia_history.mongodb import MongoDatabase  # noqa: PLC0415 - as above

        return MongoDatabase(url)
    raise ConfigurationError(
        "the database URL of the history is invalid: "
        "expected postgresql://user[:password]@host[:port]/database[?sslmode=require],"
        " mongodb://[user:password@]host[:port]/[database],"
        " or sqlite:// with the absolute path of a file; "
        "agents that store sessions in Redis or in memory have no history"
    )
