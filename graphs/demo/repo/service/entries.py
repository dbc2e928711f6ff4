"""What was charged (positive) and paid (negative), in cents."""

ENTRIES = [
    ("A-100", "2026-09", 4200),
    ("A-100", "2026-10", 1250),
    ("A-100", "2026-10", -4200),
    ("A-200", "2026-10", 990),
    ("A-300", "2026-09", 700),
    ("A-300", "2026-10", -700),
]


def of_month(account_id, month):
    """The account's amounts of one month, in the order they were booked."""
    return [amount for account, when, amount in ENTRIES if account == account_id and when == month]


def balance(account_id, month):
    """What is owed at the end of `month`."""
    return sum(amount for account, when, amount in ENTRIES if account == account_id and when <= month)
