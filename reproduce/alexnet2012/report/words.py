"""Numbers in words."""

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(count: int) -> str:
    """A count as a word, up to ten.

    >>> number(5), number(12)
    ('five', '12')
    """
    return WORDS[count] if count < len(WORDS) else str(count)
