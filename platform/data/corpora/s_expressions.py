"""S-expressions: words, and lists of them in brackets, ``(list (description "Ada King"))``."""

import re

Expression = str | list["Expression"]
"""A word, or a list of expressions."""

MOST_DEPTH = 32
_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')
_ESCAPED = re.compile(r"\\(.)")


def parse_expression(text: str) -> Expression:
    r"""The expression that a text is.

    A word in double quotes may have blanks and brackets in it; in them a backslash makes the next
    character one of the word.

    >>> parse_expression(r'(list (description Japan) (description "Ada \"Countess\" King"))')
    ['list', ['description', 'Japan'], ['description', 'Ada "Countess" King']]

    Raises:
        ValueError: it is none, has more after it, or is nested deeper than `MOST_DEPTH`.
    """
    stack: list[list[Expression]] = [[]]
    at = 0
    text = text.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"no expression at character {at}")
        bracket, quoted, word = token.groups()
        if bracket == "(":
            stack.append([])
        elif bracket == ")":
            if len(stack) == 1:
                raise ValueError(f"a bracket too many at character {at}")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word if quoted is None else _ESCAPED.sub(r"\1", quoted))
        if len(stack) > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH}")
        at = token.end()
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("not one whole expression")
    return stack[0][0]
