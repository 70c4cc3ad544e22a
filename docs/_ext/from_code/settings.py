"""The table of all settings."""

from __future__ import annotations

from collections.abc import Iterator

from from_code.markdown import MarkdownDirective, marked
from statscache.setting.setting import Setting
from statscache.settings import SETTINGS

TITLES = ("setting", "type", "unit", "default", "meaning")


class SettingsTable(MarkdownDirective):
    """Every setting with its type, unit, default and meaning."""

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        return self.table(TITLES, map(self._row, SETTINGS.values()))

    def _row(self, setting: Setting) -> tuple[str, ...]:
        default = "none" if setting.default in (None, "") else f"`{setting.default}`"
        return (
            self.named(setting.key, "setting"),
            setting.kind,
            setting.unit,
            default,
            marked(setting.meaning),
        )
