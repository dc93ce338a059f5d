"""Long names on the page: their middle is hidden where room is short, and the pointer tells the whole."""

import unicodedata

from markupsafe import Markup

LETTERS = 24  # a longer name may lose its middle
_TAIL = 14  # letters that stay at its end: of many names the beginnings are alike, of many the ends
_JOINED = ("Mn", "Mc", "Me", "Cf", "Sk")  # accents, joiners and colours of skin belong to the letter before them


def named(text: str) -> Markup:
    """Set a name so that it is read, found and copied whole, and yet may be narrow.

    >>> named("walk")
    Markup('<span class="name">walk</span>')
    >>> print(str(named("Moving it from left to right")).replace("><", ">\\n<"))
    <span class="name long" dir="auto" title="Moving it from left to right">
    <span>Moving it from </span>
    <span>left to right</span>
    </span>
    """
    if len(text) <= LETTERS:
        return Markup('<span class="name">{}</span>').format(text)
    at = len(text) - _TAIL
    if 0 <= (space := text.find(" ", at)) < len(text) - _TAIL // 2:
        at = space + 1
    while at > 1 and (unicodedata.category(text[at]) in _JOINED or text[at - 1] == "\u200d"):
        at -= 1
    parts = Markup("<span>{}</span><span>{}</span>").format(text[:at], text[at:])
    return Markup('<span class="name long" dir="auto" title="{}">{}</span>').format(text, parts)
