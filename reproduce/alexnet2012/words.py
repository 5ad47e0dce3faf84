"""Numbers as people write them."""

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(count: int) -> str:
    """A count as a word, up to ten.

    >>> number(5), number(12)
    ('five', '12')
    """
    return WORDS[count] if count < len(WORDS) else str(count)


def size(count: float) -> str:
    """Bytes for people.

    >>> size(1_500_000), size(54_600_000_000)
    ('1.5 MB', '55 GB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.1f} {unit}" if count < 10 and unit != "bytes" else f"{count:.0f} {unit}"


def duration(hours: float) -> str:
    """Hours for people.

    >>> duration(0.004), duration(0.5), duration(30), duration(1300)
    ('14 seconds', '30 minutes', '30 hours', '54 days')
    """
    for count, unit in ((hours / 24, "days"), (hours, "hours"), (60 * hours, "minutes")):
        if count >= 2:
            return f"{count:.1f} {unit}" if count < 10 else f"{count:.0f} {unit}"
    return f"{3600 * hours:.0f} seconds"
