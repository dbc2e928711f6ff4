"""The accounts. `contact` is null once an owner asked for their address to be erased."""

import json
from pathlib import Path

_FILE = Path(__file__).with_name("accounts.json")


class UnknownAccount(Exception):
    """There is no account of this name."""


def load():
    """All accounts by id."""
    return json.loads(_FILE.read_text(encoding="utf-8"))


def find(account_id):
    """The account called `account_id`."""
    try:
        return load()[account_id]
    except KeyError:
        raise UnknownAccount(account_id) from None
