"""The card of a release: its account as Markdown."""

import re

from skcondense.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Notice,
    Paragraph,
    Picture,
    Section,
    Table,
    Terms,
    Verdict,
    visible,
)

__all__ = ["release_card"]

# What is too wide, or nothing without pictures.
PAGE_ONLY = ("rows",)
# Punctuation that Markdown, or HTML within it, gives a meaning.
SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$])")
# The same at the beginning of a line: headings, lists, rules; and spaces, which make code of it.
LEADING = re.compile(r"^[ \t]*(\d*)([#+=.)-])", re.MULTILINE)
INDENTED = re.compile(r"^[ \t]+", re.MULTILINE)


def release_card(document: Document) -> str:
    """Write an account as Markdown.

    Parameters
    ----------
    document : Document
        What `account_of` makes of a release.

    Returns
    -------
    str
        All but pictures and rows.
    """
    parts = [f"# {_text(document.title)}", *_verdict(document.verdict)]
    for section in document.sections:
        if section.anchor not in PAGE_ONLY:
            parts += _section(section)
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(text: str) -> str:
    escaped = SPECIAL.sub(r"\\\1", visible(text).strip())
    return INDENTED.sub("", LEADING.sub(r"\1\\\2", escaped))


def _line(text: str) -> str:
    return " ".join(_text(text).split())


def _verdict(verdict: Verdict) -> list[str]:
    facts = "\n".join(f"- **{_line(question)}** {_line(said)}" for question, said in verdict.facts)
    parts = [f"**May it be released? {_line(verdict.answer)}**", facts]
    if verdict.objections:
        listed = "\n".join(f"- {_line(objection)}" for objection in verdict.objections)
        parts += ["**Released in spite of these objections:**", listed]
        parts += [f"Reason given: {_line(verdict.reason or '')}"]
    return parts


def _section(section: Section) -> list[str]:
    return [f"## {_text(section.title)}", *(_block(block) for block in section.blocks)]


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return _text(text)
        case Notice(text):
            return f"**{_text(text)}**"
        case Heading(text):
            return f"### {_line(text)}"
        case Bullets(items):
            return "\n".join(f"- {_line(item)}" for item in items)
        case Terms(pairs):
            return "\n".join(f"- **{_line(term)}**: {_line(gloss)}" for term, gloss in pairs)
        case Code(text):
            return _code(text)
        case Table():
            return _table(block)
        case Picture():
            return ""


def _code(text: str) -> str:
    # An indented block knows no end that a text could contain.
    return "\n".join(f"    {line}" for line in visible(text).splitlines())


def _table(table: Table) -> str:
    rule = "| " + " | ".join("---" for _ in table.head) + " |"
    rows = ["| " + " | ".join(map(_line, row)) + " |" for row in (table.head, *table.rows)]
    return "\n".join([f"*{_line(table.caption)}*", "", rows[0], rule, *rows[1:]])
