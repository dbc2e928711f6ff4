"""The letters of a month."""

from service.accounts import find
from service.entries import balance, of_month
from service.letters import address_line, amount_line, balance_line, phone_line


def statement(account_id, month):
    """One account's letter."""
    account = find(account_id)
    lines = [account["owner"], address_line(account), phone_line(account), ""]
    lines += [amount_line(amount) for amount in of_month(account_id, month)]
    lines.append(balance_line(balance(account_id, month)))
    return "\n".join(lines)


def month_end(month, account_ids):
    """The letters of all these accounts, in their order."""
    letters = []
    for account_id in account_ids:
        letters.append(statement(account_id, month))
    return letters
