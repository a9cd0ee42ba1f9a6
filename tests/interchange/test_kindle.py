"""A Kindle's clippings, in eight languages, whole and damaged."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document.anchors import Quote
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.kindle import READER, split_title
from crdt_sync.interchange.kindle_languages import LANGUAGES, parse_header
from crdt_sync.interchange.records import Record, Skipped
from tests.interchange.devices import END, KINDLE, clipping, read

HIGHLIGHT = "- Your Highlight on page 12 | location {} | Added on Monday, 10 August 2026 14:03:07"
NOTE = "- Your Note on page 12 | location {} | Added on Monday, 10 August 2026 14:09:07"


def clippings(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "My Clippings.txt"
    path.write_bytes(text.encode(encoding))
    return path


def taken(folder: Path, *parts: str) -> tuple[list[Record], list[Skipped]]:
    return read(READER, clippings(folder, "".join(parts)))


def quotes(records: list[Record]) -> list[str]:
    return [each.anchor.quote.exact for each in records if each.anchor is not None and each.anchor.quote is not None]


HEADERS = [
    ("- Your Highlight on page 12 | location 180-182 | Added on Sunday, 9 August 2026 14:03:07",
     "en", "highlight", "12", (180, 182), "2026-08-09 14:03:07"),
    ("- Your Highlight on Location 123-124 | Added on Monday, May 6, 2019 1:23:45 PM",
     "en", "highlight", None, (123, 124), "2019-05-06 13:23:45"),
    ("- Your Note on page xii | location 1971 | Added on Wednesday, 6 January 2021 12:22:51 AM",
     "en", "note", "xii", (1971, 1971), "2021-01-06 00:22:51"),
    ("- Your Note at location 7 | Added on Wednesday, 6 January 2021 12:22:51\u202fPM",
     "en", "note", None, (7, 7), "2021-01-06 12:22:51"),
    ("- Highlight Loc. 1433-38 | Added on Friday, March 07, 2025, 10:05 PM",
     "en", "highlight", None, (1433, 1438), "2025-03-07 22:05:00"),
    ("- Highlight on Page 5 | Loc. 60-62  | Added on Sunday, 22 May 2011 Greenwich Mean Time 14:37:29",
     "en", "highlight", "5", (60, 62), "2011-05-22 14:37:29"),
    ("- Your Bookmark on page 99 | Added on Thursday, 4 June 2020 12:18:46",
     "en", "bookmark", "99", None, "2020-06-04 12:18:46"),
    ("- Ihre Markierung auf Seite 9 | bei Position 130-131 | Hinzugefügt am Dienstag, 5. März 2024 21:12:45",
     "de", "highlight", "9", (130, 131), "2024-03-05 21:12:45"),
    ("- Deine Notiz bei Position 6470 | Hinzugefügt am Montag, 25. September 2023 um 22:42:15 Uhr",
     "de", "note", None, (6470, 6470), "2023-09-25 22:42:15"),
    ("- Ihr Lesezeichen auf Seite 12 | Position 99 | Hinzugefügt am Freitag, 12. April 2024 11:22:33",
     "de", "bookmark", "12", (99, 99), "2024-04-12 11:22:33"),
    ("- Votre surlignement à lʼemplacement 144-146 | Ajouté le samedi 26 décembre 2015 11:21:23",
     "fr", "highlight", None, (144, 146), "2015-12-26 11:21:23"),
    ("- Votre note sur la page 242 | Emplacement 3708 | Ajouté le mercredi 1 août 2012 à 08:27:45",
     "fr", "note", "242", (3708, 3708), "2012-08-01 08:27:45"),
    ("- Votre signet Emplacement 5527 | Ajouté le vendredi 16 novembre 2018 à 12:00:00",
     "fr", "bookmark", None, (5527, 5527), "2018-11-16 12:00:00"),
    ("- Tu subrayado en la página 6 | posición 36-40 | Añadido el lunes, 30 de septiembre de 2019 18:00:39",
     "es", "highlight", "6", (36, 40), "2019-09-30 18:00:39"),
    ("- Mi nota Pos. 12 | Añadido el lunes 5 de mayo de 2014, 3:04:05 p. m.",
     "es", "note", None, (12, 12), "2014-05-05 15:04:05"),
    ("- Tu marcador en la página 7 | posición 89 | Añadido el martes, 12 de marzo de 2024 21:30:15",
     "es", "bookmark", "7", (89, 89), "2024-03-12 21:30:15"),
    ("-  La tua evidenziazione alla posizione 3-4 | Aggiunto in data mercoledì 4 maggio 2016 17:36:35",
     "it", "highlight", None, (3, 4), "2016-05-04 17:36:35"),
    ("- La tua nota a pagina 45 | posizione 680-82 | Aggiunto il lunedì 6 luglio 2026 21:13:22",
     "it", "note", "45", (680, 682), "2026-07-06 21:13:22"),
    ("- Il tuo segnalibro a pagina 45 | posizione 680 | Aggiunto in data lunedì 6 luglio 2026 21:13:22",
     "it", "bookmark", "45", (680, 680), "2026-07-06 21:13:22"),
    ("- Seu destaque ou posição 333-334 | Adicionado: sábado, 16 de maio de 2015 13:16:48",
     "pt", "highlight", None, (333, 334), "2015-05-16 13:16:48"),
    ("- Sua nota na página 33 | posição 412 | Adicionado: terça-feira, 5 de março de 2024 09:12:45",
     "pt", "note", "33", (412, 412), "2024-03-05 09:12:45"),
    ("- Seu marcador ou posição 55 | Adicionado: quinta-feira, 11 de abril de 2024 10:00:00",
     "pt", "bookmark", None, (55, 55), "2024-04-11 10:00:00"),
    ("- 位置No. 38-39のハイライト |作成日: 2017年8月28日月曜日 17:51:55",
     "ja", "highlight", None, (38, 39), "2017-08-28 17:51:55"),
    ("- 7ページ｜位置No. 114-116のメモ | 作成日: 2024年12月30日月曜日 14:46:33",
     "ja", "note", "7", (114, 116), "2024-12-30 14:46:33"),
    ("- 12ページ|位置No. 160のブックマーク | 追加日： 2024年4月2日火曜日 午後10:15:08",
     "ja", "bookmark", "12", (160, 160), "2024-04-02 22:15:08"),
    ("- 您在位置 #42-43的标注 | 添加于 2024年4月1日星期一 下午2:30:45",
     "zh", "highlight", None, (42, 43), "2024-04-01 14:30:45"),
    ("- 您在第 574 页（位置 #8918-8918）的标注 | 添加于 2023年10月6日星期五 上午12:20:54",
     "zh", "highlight", "574", (8918, 8918), "2023-10-06 00:20:54"),
    ("- 您在第 126-126 页的笔记 | 添加于 2022年3月28日星期一 上午8:35:18",
     "zh", "note", "126", None, "2022-03-28 08:35:18"),
    ("- 您在第 78 页（位置 #1558）的书签 |", "zh", "bookmark", "78", (1558, 1558), None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "language", "kind", "page", "location", "added"), HEADERS)
def test_second_lines(
    line: str, language: str, kind: str, page: str | None, location: tuple[int, int] | None, added: str | None
) -> None:
    header = parse_header(line)
    assert header is not None
    when = None if header.added_at_ms is None else datetime.fromtimestamp(header.added_at_ms / 1000, UTC)
    told = None if when is None else when.strftime("%Y-%m-%d %H:%M:%S")
    assert (header.language, header.kind, header.page, header.location, told) == (language, kind, page, location, added)


def test_every_language_has_each_kind_and_a_month_a_name() -> None:
    seen = {(language, kind) for _, language, kind, *_ in HEADERS}
    assert {language for language, _ in seen} == {each.code for each in LANGUAGES}
    for each in LANGUAGES:
        assert len(each.months) in (0, 12)
        for month, name in enumerate(each.months, 1):
            line = next(line for line, code, *_ in HEADERS if code == each.code)
            head = line.rpartition("|")[0]
            added = {"en": "Added on", "de": "Hinzugefügt am", "fr": "Ajouté le", "es": "Añadido el"}
            added |= {"it": "Aggiunto il", "pt": "Adicionado:"}
            header = parse_header(f"{head}| {added[each.code]} 3 {name.capitalize()} 2026 04:05:06")
            assert header is not None
            assert header.added_at_ms is not None
            assert datetime.fromtimestamp(header.added_at_ms / 1000, UTC) == datetime(
                2026, month, 3, 4, 5, 6, tzinfo=UTC
            )


@pytest.mark.parametrize(
    "line",
    [
        "- Je markering op pagina 6 | locatie 36-40 | Toegevoegd op maandag 30 september 2019 18:00:39",
        "- Ваш выделенный отрывок на странице 5 | Местоположение 1234-1236 | Добавлено: 30 декабря 2024 г.",
        "- Your Highlight on page 6 | location 36-40 | Hinzugefügt am Montag, 30. September 2019 18:00:39",
        "Your Highlight on page 6", "- ", "-", "", "- highlights of the day | Added on Monday", "- " + "x" * 5000,
    ],
)  # fmt: skip
def test_a_line_of_no_known_language_is_not_guessed_at(line: str, tmp_path: Path) -> None:
    assert parse_header(line) is None
    records, skipped = taken(tmp_path, clipping(HIGHLIGHT.format("1-2"), "Known."), clipping(line, "Words."))
    assert quotes(records) == ["Known."]
    assert [each.where for each in skipped] == ["line 6"]
    assert "line" in skipped[0].reason


def test_a_date_that_cannot_be_read_costs_the_date_alone(tmp_path: Path) -> None:
    records, _ = taken(
        tmp_path, clipping("- Your Highlight on page 1 | location 2-3 | Added on 31 February 2026", "A.")
    )
    assert (quotes(records), records[0].created_at_ms) == (["A."], None)


def test_a_whole_file(tmp_path: Path) -> None:
    records, skipped = taken(tmp_path, KINDLE)
    assert not skipped
    first, mark, german, chinese = records
    assert first.anchor is not None
    assert (first.anchor.work, first.anchor.page) == ({"title": "Harbour Lights", "author": "Quill, Ida"}, "12")
    assert first.anchor.opaque == ({"type": "KindleLocation", "start": 180, "end": 182},)
    assert (first.comment, first.anchor.quote) == ("A thought.", Quote("A passage."))
    assert first.original["notes"] == [
        {"header": "- Your Note on page 12 | location 182 | Added on Monday, 10 August 2026 14:03:30",
         "text": "A thought."}
    ]  # fmt: skip
    assert (first.updated_at_ms or 0) - (first.created_at_ms or 0) == 23_000
    assert (mark.kind, mark.where) == ("bookmark", "line 11")
    assert german.anchor is not None
    assert german.anchor.work == {"title": "Das Wörterbuch der Nacht (Zweite Auflage)", "author": "Muster (Hg.), Ada"}
    assert quotes([german, chinese]) == ["Zwei Zeilen,\ndie zusammengehören.", "灯塔。"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    text = KINDLE.replace("\r\n", end)
    path = clippings(tmp_path, text.removeprefix("\ufeff") if encoding == "utf-16" else text, encoding)
    assert READER.recognises(path, path.read_bytes()[:65536])
    assert read(READER, path) == taken(tmp_path, KINDLE)


@pytest.mark.parametrize(
    ("line", "title", "author"),
    [
        ("A (B)", "A", "B"), ("A", "A", None), ("A (One) (B (C), D)", "A (One)", "B (C), D"),
        ("规模（林一）", "规模", "林一"),
        ("(A)", "(A)", None), ("A ()", "A ()", None), ("A )", "A )", None), ("A (B", "A (B", None),
        ("A) (B)", "A)", "B"),
        ("重现 (经典) (（林·一）)", "重现 (经典)", "（林·一）"), ("A (Unknown(s))", "A", "Unknown(s)"),
        ("A - B", "A - B", None),
    ],
)  # fmt: skip
def test_titles_and_authors(line: str, title: str, author: str | None) -> None:
    assert split_title(line) == (title, author)


@given(st.text(alphabet="ab ()（）", max_size=30))
def test_a_title_loses_nothing(line: str) -> None:
    title, author = split_title(line)
    assert title == line.strip() if author is None else title in line and author in line


def test_a_note_goes_to_the_highlight_that_ends_where_it_stands(tmp_path: Path) -> None:
    records, _ = taken(
        tmp_path,
        clipping(HIGHLIGHT.format("10-20"), "One."),
        clipping(HIGHLIGHT.format("18-19"), "Two."),
        clipping(NOTE.format("20"), "Of the one."),
        clipping(HIGHLIGHT.format("20-20"), "Another book.", "Else (Quill, Ida)"),
    )
    assert [(each.comment) for each in records] == ["Of the one.", "", ""]


def test_of_highlights_at_one_place_the_nearest_in_the_file_has_the_note(tmp_path: Path) -> None:
    parts = [
        part
        for name in ("a", "b", "c")
        for part in (clipping(NOTE.format("7"), f"note {name}"), clipping(HIGHLIGHT.format("7-7"), f"passage {name}"))
    ]
    records, _ = taken(tmp_path, *parts)
    assert sorted(comment for each in records for comment in each.comment.split("\n\n") if comment) == [
        "note a", "note b", "note c",
    ]  # fmt: skip
    assert len(records) == 3


def test_a_note_within_a_highlight_beside_it_is_its_note(tmp_path: Path) -> None:
    records, _ = taken(
        tmp_path,
        clipping(NOTE.format("12"), "Before."),
        clipping(HIGHLIGHT.format("10-20"), "One."),
        clipping(NOTE.format("15"), "After."),
    )
    assert [each.comment for each in records] == ["Before.\n\nAfter."]


def test_a_note_that_grew_is_there_once(tmp_path: Path) -> None:
    parts = (
        clipping(HIGHLIGHT.format("1-2"), "One."),
        clipping(NOTE.format("2"), "Yes"),
        clipping(NOTE.format("2"), "Yes!"),
    )
    records, _ = taken(tmp_path, *parts)
    assert [each.comment for each in records] == ["Yes!"]
    assert len(records[0].original["notes"]) == 2


def test_a_note_of_no_highlight_stands_at_its_place(tmp_path: Path) -> None:
    records, _ = taken(tmp_path, clipping(NOTE.format("99"), "Alone."), clipping(HIGHLIGHT.format("1-2"), "One."))
    assert [(each.kind, each.comment, each.where) for each in records] == [
        ("bookmark", "Alone.", "line 1"), ("highlight", "", "line 6"),
    ]  # fmt: skip


def test_pages_place_notes_where_there_are_no_locations(tmp_path: Path) -> None:
    date = "Added on Monday, 10 August 2026 14:03:07"
    records, _ = taken(
        tmp_path,
        clipping(f"- Your Highlight on page 3-4 | {date}", "PDF."),
        clipping(f"- Your Note on page 4 | {date}", "Of it."),
        clipping(f"- Your Bookmark on page 9 | {date}"),
    )
    assert [(each.comment, each.anchor and each.anchor.opaque) for each in records] == [
        ("Of it.", ({"type": "KindlePage", "page": "3-4"},)),
        ("", ({"type": "KindlePage", "page": "9"},)),
    ]


def test_what_is_there_again_is_told_and_what_differs_comes_in(tmp_path: Path) -> None:
    records, skipped = taken(
        tmp_path,
        clipping(HIGHLIGHT.format("1-2"), "A passage"),
        clipping(HIGHLIGHT.format("1-2"), "A passage that was marked again"),
        clipping(HIGHLIGHT.format("1-2"), "A passage"),
    )
    assert quotes(records) == ["A passage", "A passage that was marked again"]
    assert skipped == [Skipped("line 11", "it is the same as what stands in line 1")]


@pytest.mark.parametrize(
    "text", ["<You have reached the clipping limit for this item>", " <您已达到本内容的剪贴上限>\u00a0"]
)  # fmt: skip
def test_a_limit_message_is_no_passage(tmp_path: Path, text: str) -> None:
    records, skipped = taken(
        tmp_path, clipping(HIGHLIGHT.format("1-2"), text), clipping(HIGHLIGHT.format("3-4"), "<code>and more</code>")
    )
    assert quotes(records) == ["<code>and more</code>"]
    assert "limit" in skipped[0].reason


def test_a_picture_that_was_marked_has_a_place_and_no_text(tmp_path: Path) -> None:
    (record,), _ = taken(tmp_path, clipping(HIGHLIGHT.format("1-2"), ""))
    assert record.anchor is not None
    assert (record.kind, record.anchor.quote) == ("highlight", None)


def test_damage_costs_the_record_that_it_is_in(tmp_path: Path) -> None:
    whole = clipping(HIGHLIGHT.format("1-2"), "Good.").encode()
    parts = [
        whole,
        clipping(HIGHLIGHT.format("3-4"), "caf\xe9").encode("latin-1"),
        f"Title only\r\n{END}\r\n".encode(),
        f"{HIGHLIGHT.format('5-6')}\r\n\r\nNo title.\r\n{END}\r\n".encode(),
        f"\r\n\r\n{END}\r\n".encode(),
        clipping("- Your Highlight | Added on Monday, 10 August 2026 14:03:07", "").encode(),
        clipping(HIGHLIGHT.format("7-8"), "Broken off").encode().partition(b"=")[0],
    ]
    path = tmp_path / "My Clippings.txt"
    path.write_bytes(b"".join(parts))
    records, skipped = read(READER, path)
    assert quotes(records) == ["Good.", "No title.", "Broken off"]
    assert [each.where for each in skipped] == ["line 6", "line 11", "line 20"]
    assert "UTF-8" in skipped[0].reason


def test_what_is_no_clippings(tmp_path: Path) -> None:
    for data in (b"", b"hello\n", KINDLE.removeprefix("\ufeff").encode("utf-16-le")):
        path = tmp_path / "My Clippings.txt"
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match="no line of ten or more ="):
            read(READER, path)
    assert not READER.recognises(Path("notes.txt"), b"hello\n==========\n")
    assert READER.recognises(Path("my clippings.txt"), b"Title\r\n- Je markering\r\n\r\nx\r\n==========\r\n")


def test_memory_does_not_grow_with_the_passages(tmp_path: Path) -> None:
    """Measured: 30 MB of passages are read in less than 2 MB."""
    path = tmp_path / "My Clippings.txt"
    with path.open("w", encoding="utf-8") as file:
        for n in range(1500):
            file.write(clipping(HIGHLIGHT.format(f"{n}-{n}"), f"{n} " + "x" * 20_000))
            file.write(clipping(NOTE.format(n), f"note {n}") if n % 10 == 0 else "")
    tracemalloc.start()
    try:
        count = sum(isinstance(each, Record) for each in READER.read(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1500
    assert peak < 3_000_000 < path.stat().st_size / 9
