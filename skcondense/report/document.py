"""A document in blocks: what a release says, before it becomes a page or a card.

Blocks hold plain text. Whoever writes them as HTML or Markdown escapes all of it, so neither a
column name nor a purpose can add markup.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "Block",
    "Bullets",
    "Code",
    "Document",
    "Heading",
    "Notice",
    "Paragraph",
    "Picture",
    "Section",
    "Table",
    "Terms",
    "Verdict",
    "visible",
]

# Of characters that are not seen, those that belong to text: line breaks, tabs, and what joins
# letters in some scripts. Others hide text, or show other text than is there (overrides of the
# direction of writing); surrogates cannot be written at all.
SPEAKING = "\n\t\u200c\u200d"

# Inches, above which a plot scrolls on a phone.
WIDEST = 7.0


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Notice:
    """A paragraph that must not be overlooked."""

    kind: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """What is typed, or what a program wrote."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    kind: ClassVar[str] = "terms"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Cells as text; the first cell of each row is its head.

    Attributes
    ----------
    caption : str
        What the table shows.
    head : tuple of str
        One per column.
    rows : tuple of tuple of str
        Each as long as `head`.
    style : {"numbers", "words", "form"}
        Numbers stand to the right; a form has room to write in.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    style: str = "numbers"


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes
    ----------
    figure : matplotlib Figure
        What is drawn.
    alt : str
        What somebody who cannot see it should know.
    caption : str
        How to read it.
    """

    kind: ClassVar[str] = "picture"
    figure: Any
    alt: str
    caption: str

    @property
    def is_wide(self) -> bool:
        """Whether labels could not be read once it is as narrow as a phone."""
        return bool(self.figure.get_figwidth() > WIDEST)


Block = Paragraph | Notice | Heading | Bullets | Code | Terms | Table | Picture


@dataclass(frozen=True)
class Section:
    """A titled part of a document.

    Attributes
    ----------
    anchor : str
        Name of the part, for links.
    title : str
        Its heading.
    blocks : tuple of Block
        What it holds.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Verdict:
    """What a reader in a hurry must know.

    Attributes
    ----------
    tone : {"good", "caution", "bad"}
        How it looks; the words say the same.
    answer : str
        Whether the set may be released.
    facts : tuple of (str, str)
        Questions and answers.
    objections : tuple of str
        What speaks against it.
    reason : str or None
        Why it is released all the same.
    """

    tone: str
    answer: str
    facts: tuple[tuple[str, str], ...]
    objections: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Document:
    """A title, a verdict and sections."""

    title: str
    verdict: Verdict
    sections: Sequence[Section] = field(default_factory=tuple)


def visible(text: Any) -> str:
    """Text in which no character hides, reorders others or cannot be written.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is taken.

    Returns
    -------
    str
        With control characters as their code points, such as ``[U+202E]``.
    """
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    category, code = unicodedata.category(character), ord(character)
    is_odd = category in ("Cc", "Cf", "Cs") and character not in SPEAKING
    return f"[U+{code:04X}]" if is_odd else character
