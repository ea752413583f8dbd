"""Makes the mongod that shares this container's network a replica set of one, with two users. Again is a no-op.

``admin`` may do everything and is used for this, for back-ups and by operators; ``servoir`` may read and write the
database ``servoir`` and nothing else, and is what the registry uses. The first user is made through MongoDB's exception
for connections from its own host, which ends with it. A changed password in a secret is set anew.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

SECRETS = Path("/run/secrets")
MEMBER = "mongo:27017"
DATABASE = "servoir"
PATIENCE_S = 60.0
_ALREADY_INITIALIZED = 23
_DENIED = {13, 18}
_NO_SUCH_USER = 11


def _password(name: str) -> str:
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def _connect(**credentials: str) -> MongoClient[dict[str, object]]:
    return MongoClient("127.0.0.1", 27017, directConnection=True, serverSelectionTimeoutMS=2000, **credentials)


def _as_admin() -> MongoClient[dict[str, object]]:
    return _connect(username="admin", password=_password("mongo_admin_password"), authSource="admin")


def _initiate() -> None:
    """Make it a replica set, where it is none yet."""
    with _connect() as client:
        try:
            members = [{"_id": 0, "host": MEMBER}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        except OperationFailure as refused:
            if refused.code not in {_ALREADY_INITIALIZED, *_DENIED}:  # denied: there are users, so it was done before
                raise


def _await_primary() -> None:
    with _connect() as client:
        while not client.admin.command("hello").get("isWritablePrimary"):
            time.sleep(0.2)


def _make_admin() -> None:
    """Make the first user, where there is none yet."""
    with _connect() as client:
        try:
            client.admin.command("createUser", "admin", pwd=_password("mongo_admin_password"), roles=["root"])
        except OperationFailure as refused:
            if refused.code not in _DENIED:
                raise


def _make_registry_user() -> None:
    """Make the registry's user, or bring its password and its rights to what they are to be."""
    told = {"pwd": _password("mongo_password"), "roles": [{"role": "readWrite", "db": DATABASE}]}
    with _as_admin() as client:
        try:
            client[DATABASE].command("updateUser", "servoir", **told)
        except OperationFailure as refused:
            if refused.code != _NO_SUCH_USER:
                raise
            client[DATABASE].command("createUser", "servoir", **told)


def main() -> int:
    """Do it, trying again while MongoDB starts; return the exit code."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            _initiate()
            _await_primary()
            _make_admin()
            _make_registry_user()
        except PyMongoError as error:
            if isinstance(error, OperationFailure) and error.code in _DENIED:
                print("mongo_admin_password is not the one that this volume was made with", file=sys.stderr)
                return 1
            if time.monotonic() > until:
                print(f"MongoDB is not ready: {error}", file=sys.stderr)
                return 1
            time.sleep(0.5)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main())
