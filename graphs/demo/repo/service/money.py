"""Amounts in cents."""


def written(cents):
    """`1250` is written `12.50`; what we owe stands in brackets."""
    text = f"{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return f"({text})" if cents < 0 else text


def share(cents, parts):
    """`cents` in `parts` parts that differ by a cent at most."""
    if parts <= 0:
        return []
    low, rest = divmod(cents, parts)
    return [low + 1] * rest + [low] * (parts - rest)
