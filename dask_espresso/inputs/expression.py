"""Conditions and formulas of a study: a small language of its own, which is read and never run.

It is written as in Python, whose parser takes it apart; what is allowed of that is turned into
functions here, and nothing else is.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ..errors import BadValueError, unknown
from ..identity import canonical_json
from .misreadings import check_words
from .operations import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    SIGNS,
    UndefinedError,
    equal,
    number,
    plain_value,
    truth,
)

_LONGEST = 1000  # characters
_DEEPEST = 100  # operations inside one another
_CONSTANTS = {"pi": math.pi, "true": True, "false": False, "null": None}
_WORDS = {"and", "or", "not", "in", "if", "else", "True", "False", "None"}  # of the language
_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|\w+")
_FOREIGN = {ast.BitXor: "** for powers", ast.BitAnd: "`and` for &", ast.BitOr: "`or` for |"}
_ALLOWED = (
    "numbers, texts in quotes, names of parameters, + - * / // % **, comparisons, and, or, not, "
    f"in [a, b], a if b else c, pi, {', '.join(FUNCTIONS)}"
)

Row = Sequence[Any]
_Term = Callable[[Row], Any]


class Expression:
    """A formula or a condition, ready to be computed.

    Parameters
    ----------
    text : str
        As it is written.
    known : iterable of str
        Names that it may have in it.
    *at : str or int
        The key under which it stands, for errors.

    Attributes
    ----------
    names : tuple of str
        Those that it has.

    Raises
    ------
    BadValueError
        Says what is wrong, and what to write.
    """

    def __init__(self, text: str, known: Iterable[str], *at: str | int) -> None:
        self.text = text
        self._at = at
        known = list(known)
        made = _Maker(text, known)
        try:
            check_words(text, known)
            self._term = made.term(_parsed(text, made.hidden), 0)
        except BadValueError as error:
            raise BadValueError(str(error), *at) from None
        self.names = tuple(made.names)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def value(self, row: Row) -> Any:
        """Compute a formula.

        Parameters
        ----------
        row : sequence
            A value for each of `names`.

        Returns
        -------
        int, float, str, bool, None, list or dict
            Floats rounded to 12 digits, so that they are the same on every machine.

        Raises
        ------
        BadValueError
            If there is no such value; the message says at which point.
        """
        return self._computed(row, plain_value)

    def holds(self, row: Row) -> bool:
        """Say whether a condition holds; parameters and errors are those of :meth:`value`."""
        return bool(self._computed(row, truth))

    def _computed(self, row: Row, checked: Callable[[Any], Any]) -> Any:
        try:
            return checked(self._term(row))
        except ZeroDivisionError:
            why = "divides by zero"
        except OverflowError:
            why = "is too large a number"
        except UndefinedError as error:
            why = str(error)
        except ValueError:  # of a function
            why = "has no real value"
        values = (
            f"{name} = {_short(canonical_json(value))}"
            for name, value in zip(self.names, row, strict=True)
        )
        where = f" at {', '.join(values)}" if self.names else ""
        said = f"`{_short(self.text)}` {why}{where}"
        remedy = "correct it, or leave such points out with `where`"
        raise BadValueError(f"{said}; {remedy}", *self._at)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]} … {text[-10:]}"


def _parsed(text: str, hidden: dict[str, str]) -> ast.expr:
    """Take a text apart."""
    if len(text) > _LONGEST:
        raise BadValueError(
            f"has {len(text)} characters, more than {_LONGEST}; make a part of it a value of "
            "`derived`"
        )
    one_line = re.sub(r"\s*\n\s*", " ", text.strip())
    shown = _WORD.sub(lambda word: hidden.get(word[0], word[0]), one_line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Python would find strange
            return ast.parse(shown, mode="eval").body
    except (RecursionError, MemoryError):
        raise BadValueError("is nested too deep; make a part of it a value of `derived`") from None
    except (SyntaxError, ValueError) as error:
        raise BadValueError(_advice(one_line, error)) from None


def _advice(text: str, error: Exception) -> str:
    """Say what to write in place of what cannot be read."""
    outside = _WORD.sub("", text)
    if not text:
        return "is empty; write a formula such as 2 * x, or a condition such as x < 3"
    if re.search(r"&&|\|\||!(?!=)", outside):
        return "cannot be read; write `and`, `or`, `not` for &&, ||, !"
    if re.search("=[<>]", outside):
        return "cannot be read; write >= or <= with the = last"
    if re.search(r"(?<![=<>!])=(?!=)", outside):
        return "cannot be read; write == to compare, and no name in front of a formula"
    if outside.count("(") != outside.count(")") or outside.count("[") != outside.count("]"):
        return (
            f"is read as `{_short(text)}`, in which a bracket has no partner; put it in quotes "
            "where commas are in it, as in {box: 'max(a, b)'}, or add the bracket"
        )
    said = getattr(error, "msg", "") or "this is no text"
    return f"is read as `{_short(text)}`, which is no formula ({said}); write {_ALLOWED}"


class _Maker:
    """Makes a function of the parts of a text, one inside the other.

    Parameters
    ----------
    text : str
        For errors.
    known : iterable of str
        Names of parameters.

    Attributes
    ----------
    names : list of str
        Those that are used, in the order of the row.
    hidden : dict of str to str
        Names that are words of Python, such as ``lambda``, and what stands for them.
    """

    def __init__(self, text: str, known: Iterable[str]) -> None:
        self.names: list[str] = []
        self._text = text
        self._known = {unicodedata.normalize("NFKC", name): name for name in known}
        words = [name for name in self._known if keyword.iskeyword(name) and name not in _WORDS]
        self.hidden = {name: f"{name}_of_study" for name in words}
        self._known |= {shown: self._known.pop(name) for name, shown in self.hidden.items()}

    def term(self, node: ast.AST, depth: int) -> _Term:
        """Make the function of a part."""
        if depth > _DEEPEST:
            raise BadValueError("is nested too deep; make a part of it a value of `derived`")
        make = _MAKERS.get(type(node))
        if make is None:
            self._refuse(node)
        found: _Term = make(self, node, depth + 1)
        return found

    def _refuse(self, node: ast.AST) -> NoReturn:
        try:
            said = ast.unparse(node)
        except (ValueError, RecursionError):
            said = self._text
        raise BadValueError(f"`{_short(said)}` is not possible here; write {_ALLOWED}")

    def constant(self, node: ast.Constant, _: int) -> _Term:
        """Numbers, texts, True, False and None."""
        value = node.value
        if not isinstance(value, str | int | float | None):
            self._refuse(node)
        if isinstance(value, float) and not math.isfinite(value):
            raise BadValueError("has a number that is too large; write a finite one")
        return lambda row: value

    def name(self, node: ast.Name, _: int) -> _Term:
        """Parameters, and what has a name by itself."""
        if (name := self._known.get(node.id)) is not None:
            if name not in self.names:
                self.names.append(name)
            return operator.itemgetter(self.names.index(name))
        if node.id in _CONSTANTS:
            value = _CONSTANTS[node.id]
            return lambda row: value
        if node.id in FUNCTIONS:
            raise BadValueError(f"`{node.id}` is a function; write {node.id}(…)")
        hint = unknown("parameter", node.id, self._known.values())
        raise BadValueError(f"{hint}; put it in quotes if it is a text")

    def unary(self, node: ast.UnaryOp, depth: int) -> _Term:
        """Signs and `not`."""
        term = self.term(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return lambda row: not truth(term(row))
        if type(node.op) not in SIGNS:
            self._refuse(node)
        sign = SIGNS[type(node.op)]
        return lambda row: sign(number(term(row)))

    def binary(self, node: ast.BinOp, depth: int) -> _Term:
        """Arithmetic."""
        if type(node.op) in _FOREIGN:
            said = f"`{_short(ast.unparse(node))}` is not possible here"
            raise BadValueError(f"{said}; write {_FOREIGN[type(node.op)]}")
        if type(node.op) not in ARITHMETIC:
            self._refuse(node)
        operation = ARITHMETIC[type(node.op)]
        left, right = self.term(node.left, depth), self.term(node.right, depth)
        return lambda row: operation(left(row), right(row))

    def boolean(self, node: ast.BoolOp, depth: int) -> _Term:
        """Conditions together; the first that decides is the last that is looked at."""
        terms = [self.term(value, depth) for value in node.values]
        decides = isinstance(node.op, ast.Or)

        def term(row: Row) -> bool:
            for one in terms:
                if truth(one(row)) is decides:
                    return decides
            return not decides

        return term

    def comparison(self, node: ast.Compare, depth: int) -> _Term:
        """Comparisons, chained as in 0 < x < 1."""
        left, checks = self.term(node.left, depth), []
        for sign, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.In | ast.NotIn):
                checks.append((_membership(sign), self._items(right, depth)))
            elif type(sign) in COMPARISONS:
                checks.append((COMPARISONS[type(sign)], self.term(right, depth)))
            else:
                self._refuse(node)

        if len(checks) == 1:
            ((only, other_term),) = checks
            return lambda row: only(left(row), other_term(row))

        def term(row: Row) -> bool:
            value = left(row)
            for compare, right in checks:
                other = right(row)
                if not compare(value, other):
                    return False
                value = other
            return True

        return term

    def _items(self, node: ast.expr, depth: int) -> _Term:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise BadValueError(
                f"`in {_short(ast.unparse(node))}` is not possible here; write a list, as in "
                "x in [1, 2]"
            )
        items = [self.term(item, depth) for item in node.elts]
        return lambda row: [item(row) for item in items]

    def choice(self, node: ast.IfExp, depth: int) -> _Term:
        """One value or another."""
        parts = (node.test, node.body, node.orelse)
        test, yes, no = (self.term(part, depth) for part in parts)
        return lambda row: yes(row) if truth(test(row)) else no(row)

    def call(self, node: ast.Call, depth: int) -> _Term:
        """Functions."""
        if not isinstance(node.func, ast.Name) or node.keywords:
            self._refuse(node)
        name = node.func.id
        if name not in FUNCTIONS:
            raise BadValueError(unknown("function", name, FUNCTIONS))
        function, least, most = FUNCTIONS[name]
        if not least <= len(node.args) <= most:
            raise BadValueError(
                f"`{_short(ast.unparse(node))}` gives {name} {len(node.args)} numbers; "
                f"give it {least}{'' if most == least else ' or more'}"
            )
        terms = [self.term(argument, depth) for argument in node.args]
        return lambda row: function(*[number(term(row)) for term in terms])


def _membership(sign: ast.cmpop) -> Callable[[Any, Any], bool]:
    is_in = isinstance(sign, ast.In)
    return lambda value, items: any(equal(value, item) for item in items) is is_in


_MAKERS: dict[type[ast.AST], Callable[..., _Term]] = {
    ast.Constant: _Maker.constant,
    ast.Name: _Maker.name,
    ast.UnaryOp: _Maker.unary,
    ast.BinOp: _Maker.binary,
    ast.BoolOp: _Maker.boolean,
    ast.Compare: _Maker.comparison,
    ast.IfExp: _Maker.choice,
    ast.Call: _Maker.call,
}
