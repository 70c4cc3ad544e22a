"""The languages of the page: its texts, numbers and dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_skeleton, format_timedelta
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal, format_percent, get_group_symbol
from babel.units import format_unit

from statscache.errors import Sentence
from statscache.messages.pseudonyms import readable
from statscache.query.figures import CONTEXT, SECONDS, Number
from statscache.query.periods import Period, Step

#: English needs no catalogue: its texts stand in the templates and in the code.
SOURCE = "en"
#: How a period is called, by its step, in Unicode's skeletons, of which some are two.
LABELS = {
    Step.MINUTE: "yMMMd Hm",
    Step.HOUR: "yMMMd Hm",
    Step.DAY: "yMMMEd",
    Step.WEEK: "yMMMd",
    Step.MONTH: "yMMM",
    Step.QUARTER: "yQQQ",
    Step.YEAR: "y",
}
#: The units of lengths of time, in seconds, but for the shortest.
UNITS_S = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
MINUTE_S = 60


@dataclass(frozen=True)
class Language:
    """Says things in a language.

    :param code: as in `lang=de`
    """

    code: str
    locale: Locale
    texts: NullTranslations

    def text(self, message: str, **values: object) -> str:
        """Return a text, with values in place of their names in braces."""
        told = self.texts.gettext(message) if message else ""
        return told.format(**values) if values else told

    def key(self, key: str) -> str:
        """Return what a key is called: itself, unless it stands for somebody who is forgotten."""
        return self.text("(forgotten)") if key.startswith("forgotten-") and readable(key) != key else key

    def sentence(self, sentence: Sentence) -> str:
        """Return a sentence with its parts put in."""
        values = {
            name: self.sentence(value) if isinstance(value, Sentence) else value
            for name, value in sentence.values.items()
        }
        return self.text(sentence.message, **values)

    def many(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the text for a number of things, which is `count` in it."""
        return self.texts.ngettext(one, many, count).format(count=self.number(count), **values)

    def number(self, value: Number) -> str:
        """Return a number with its groups of digits, and the first three digits after the point that say something."""
        between, whole = _between_thousands(self.code), isinstance(value, int)
        if between is not None and whole and value >= 0:
            return f"{value:,}".replace(",", between)  # a chart has thousands, and Babel takes 100 µs for one
        small = not whole and 0 < abs(float(value)) < 1
        its = Decimal(f"{value:.3g}") if small else value
        return _written(its, self.code, not small)

    def short(self, value: Number) -> str:
        """Return a number in a few characters, as in 12K."""
        if abs(float(value)) < 100_000:
            return self.number(value)
        its = value if isinstance(value, int) else float(value)
        return format_compact_decimal(its, locale=self.locale, fraction_digits=1)

    def value(self, value: Number | None, unit: str = "", short: bool = False) -> str:
        """Return a value of a figure, a dash where there is none.

        :param unit: as in `Figure`
        """
        if value is None:
            return "\N{EN DASH}"
        if unit == SECONDS:
            return self.duration(float(value))
        return self.short(value) if short else self.number(value)

    def duration(self, seconds: float) -> str:
        """Return a length of time in its largest unit, and the next one if that says something."""
        if abs(seconds) < MINUTE_S:
            return self._in("second", Decimal(f"{seconds:.3g}"))
        rest, told = round(abs(seconds)), list[str]()
        for unit, length in UNITS_S.items():
            if told or rest >= length:
                told.append(self._in(unit, rest // length) if rest >= length else "")
                rest %= length
        return " ".join(filter(None, told[:2]))

    def _in(self, unit: str, value: Decimal | int) -> str:
        return _of_unit(unit, value, self.code)

    def share(self, value: Number, signed: bool = False) -> str:
        """Return a share of one as a percentage."""
        digits = "0" if abs(float(value)) >= 0.0995 or not value else "0.0"
        told = format_percent(value, format=f"+#,##{digits} %;-#,##{digits} %", locale=self.locale)
        if not signed:
            return told.lstrip("+")
        return told if value else told.replace("+", "±")

    def listed(self, texts: Iterable[str]) -> str:
        """Return texts one after the other, as in *a, b and c*."""
        return str(format_list(list(texts), locale=self.code))

    def instant(self, when: datetime, zone: ZoneInfo, seconds: bool = False) -> str:
        """Return an instant in a time zone."""
        return self.skeleton("yMMMd Hms" if seconds else "yMMMd Hm", int(when.timestamp()), zone)

    def ago(self, seconds: float) -> str:
        """Return a length of time in its largest unit."""
        return format_timedelta(timedelta(seconds=max(1, round(seconds))), threshold=1.5, locale=self.locale)

    def period(self, period: Period, step: Step, zone: ZoneInfo) -> str:
        """Return what a period is called; a week by its first day."""
        return self.skeleton(LABELS[step], period.start, zone)

    def skeleton(self, skeleton: str, second: int, zone: ZoneInfo) -> str:
        """Return a second since 1970 with the parts that skeletons name."""
        return _with_parts(skeleton, datetime.fromtimestamp(second, zone).replace(tzinfo=None), self.code)


@cache
def _between_thousands(code: str) -> str | None:
    """Return what a language puts between groups of three digits; None if its groups are others."""
    locale = Locale.parse(code)
    return get_group_symbol(locale) if locale.decimal_formats[None].grouping == (3, 3) else None


@lru_cache(16_384)
def _written(value: Number, code: str, rounded: bool) -> str:
    """Return a number. A page names each of its figures twice."""
    with localcontext(CONTEXT):  # in which Babel rounds
        return format_decimal(value, locale=language(code).locale, decimal_quantization=rounded)


@lru_cache(16_384)
def _of_unit(unit: str, value: Decimal | int, code: str) -> str:
    return format_unit(value, f"duration-{unit}", length="short", locale=language(code).locale)


@lru_cache(16_384)
def _with_parts(skeleton: str, local: datetime, code: str) -> str:
    """Return a local time with the parts that skeletons name. A page names each of its periods several times."""
    return ", ".join(format_skeleton(each, local, locale=language(code).locale) for each in skeleton.split())


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages that there are, English first."""
    catalogs = files(__package__) / "locale"
    return (
        SOURCE,
        *sorted(each.name.removesuffix(".po") for each in catalogs.iterdir() if each.name.endswith(".po")),
    )


@cache
def language(code: str) -> Language:
    """Return a language by its code, which is one of `languages`."""
    if code == SOURCE:
        return Language(code, Locale.parse(code), NullTranslations())
    compiled = BytesIO()
    write_mo(compiled, catalog(code))
    compiled.seek(0)
    return Language(code, Locale.parse(code), GNUTranslations(compiled))


def catalog(code: str) -> Catalog:
    """Return the texts of a language other than English."""
    with (files(__package__) / "locale" / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code, abort_invalid=True)


def marked(message: str) -> str:
    """Return a text as it is: this marks it for the catalogues, where it is said elsewhere."""
    return message


def accepted(header: str, codes: Sequence[str] | None = None) -> str:
    """Return the language that a client likes best of those there are, by its Accept-Language."""
    codes = codes or languages()
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")):
        name, _, quality = part.strip().partition(";q=")
        code = name.split("-")[0].lower()
        if code in codes:
            liked.append((-_quality(quality), place, code))
    return min(liked)[2] if liked and min(liked)[0] < 0 else SOURCE


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
