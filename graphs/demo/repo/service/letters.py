"""The parts of a letter, each a line of text."""

from service.money import written


def address_line(account):
    contact = account.get("contact")
    return f"{contact['street']}, {contact['city']}"


def phone_line(account):
    contact = account.get("contact")
    if contact is None:
        return "no contact on file"
    return f"Phone: {contact['phone']}"


def amount_line(amount):
    kind = "paid" if amount < 0 else "charged"
    return f"{kind} {written(abs(amount))}"


def balance_line(cents):
    if cents == 0:
        return "Nothing is owed."
    return f"Owed: {written(cents)}"
