"""How it looks: marker colours, paper and ink, light or dark as the system is, and one style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

Widget = TypeVar("Widget", bound=QWidget)

MARKERS = ("yellow", "green", "blue", "pink", "purple")
"""The colours on offer, by the names that stand in the library; the keys 1 to 5 choose them."""

_LIGHT_MARKERS = {
    "yellow": "#ffd84d",
    "green": "#8fdc9a",
    "blue": "#8cc8ff",
    "pink": "#ffa3c4",
    "purple": "#cbb0ff",
    "orange": "#ffbd70",
}
_DARK_MARKERS = {
    "yellow": "#b08900",
    "green": "#2f8f4e",
    "blue": "#2f6fb0",
    "pink": "#b04a78",
    "purple": "#7a55c4",
    "orange": "#b0661a",
}
_SERIFS = ("Source Serif 4", "EB Garamond", "Charter", "Georgia", "Noto Serif", "DejaVu Serif")
_SANS = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans")


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one theme, as `#rrggbb`."""

    paper: str
    ink: str
    quiet: str
    desk: str
    line: str
    accent: str
    markers: dict[str, str]
    marker_alpha: float

    def marker(self, color: str) -> QColor:
        """Return what a colour's name is painted in; a name that is not known is grey, and never an error."""
        painted = QColor(self.markers.get(color, self.quiet))
        painted.setAlphaF(self.marker_alpha)
        return painted


LIGHT = Look("#fffdf8", "#2b2722", "#8d857a", "#f4f0e8", "#e3ddd0", "#7a4f2a", _LIGHT_MARKERS, 0.62)
DARK = Look("#1f1e1c", "#e6e1d8", "#958d82", "#181715", "#34312d", "#d9a777", _DARK_MARKERS, 0.7)


def look_of(palette: QPalette) -> Look:
    """Return the theme that goes with the system's palette."""
    return DARK if palette.color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def serif(points: float) -> QFont:
    """Return the font of the text."""
    return _font(_SERIFS, points, QFont.StyleHint.Serif)


def sans(points: float) -> QFont:
    """Return the font of everything else."""
    return _font(_SANS, points, QFont.StyleHint.SansSerif)


def _font(families: tuple[str, ...], points: float, hint: QFont.StyleHint) -> QFont:
    there = set(QFontDatabase.families())
    font = QFont([family for family in families if family in there] or list(families))
    font.setStyleHint(hint)
    font.setPointSizeF(points)
    return font


def style_sheet(look: Look) -> str:
    """Return the style sheet of the whole window."""
    return f"""
        QMainWindow, QStatusBar {{ background: {look.desk}; color: {look.quiet}; }}
        QWidget#bar, QWidget#panel {{ background: {look.desk}; color: {look.ink}; }}
        QWidget#bar {{ border-bottom: 1px solid {look.line}; }}
        QWidget#panel {{ border-left: 1px solid {look.line}; }}
        QTextEdit#page {{ background: {look.paper}; color: {look.ink}; border: none;
            selection-background-color: {look.accent}; selection-color: {look.paper}; }}
        QListWidget {{ background: transparent; border: none; outline: none; }}
        QLabel {{ color: {look.ink}; background: transparent; }}
        QLabel#quiet {{ color: {look.quiet}; }}
        QStatusBar::item {{ border: none; }}
        QPushButton, QComboBox {{ background: {look.paper}; color: {look.ink}; border: 1px solid {look.line};
            border-radius: 7px; padding: 5px 12px; }}
        QPushButton:hover, QComboBox:hover {{ border-color: {look.accent}; }}
        QPushButton:disabled {{ color: {look.quiet}; background: {look.desk}; }}
        QComboBox::drop-down {{ border: none; width: 16px; }}
        QComboBox QAbstractItemView {{ background: {look.paper}; color: {look.ink};
            selection-background-color: {look.line}; selection-color: {look.ink}; }}
        QPushButton#tab {{ background: transparent; border: none; border-radius: 0; color: {look.quiet};
            padding: 10px 2px 7px 2px; margin-right: 14px; }}
        QPushButton#tab:checked {{ color: {look.ink}; border-bottom: 2px solid {look.accent}; }}
        QPushButton#link {{ background: transparent; border: none; color: {look.accent}; padding: 2px 6px; }}
        QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
        QScrollBar::handle:vertical {{ background: {look.line}; border-radius: 3px; min-height: 30px; }}
        QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
        QSplitter::handle {{ background: transparent; }}
    """


def named(widget: Widget, name: str) -> Widget:
    """Return the widget, under a name of the style sheet."""
    widget.setObjectName(name)
    return widget


def dress(application: QApplication) -> Look:
    """Give the application its style, and return the theme."""
    application.setStyle("Fusion")
    application.setFont(sans(10.5))
    look = look_of(application.palette())
    application.setStyleSheet(style_sheet(look))
    return look
