"""Files as the devices write them, with words of our own in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from crdt_sync.interchange.records import FormatReader, Item, Record, Skipped

KOREADER = r"""-- we can read Lua syntax here!
return {
    ["annotations"] = {
        [1] = {
            ["chapter"] = "The Harbour",
            ["color"] = "green",
            ["datetime"] = "2026-01-05 21:14:08",
            ["datetime_updated"] = "2026-01-06 07:00:00",
            ["drawer"] = "underscore",
            ["note"] = "Compare \"the map\"\
and the list.",
            ["page"] = "/body/DocFragment[8]/body/p[12]/text().0",
            ["pageno"] = 42,
            ["pos0"] = "/body/DocFragment[8]/body/p[12]/text().0",
            ["pos1"] = "/body/DocFragment[8]/body/p[12]/text().57",
            ["text"] = "Caf\195\169 lights on the water; nobody counted them.",
        },
        [2] = {
            ["chapter"] = "The Harbour",
            ["datetime"] = "2026-01-06 08:02:11",
            ["page"] = "/body/DocFragment[9]/body/p[4]/text().10",
            ["pageno"] = 55,
            ["text"] = "in The Harbour",
        },
        [3] = {
            ["color"] = "olive",
            ["datetime"] = "2026-01-07 09:00:00",
            ["drawer"] = "lighten",
            ["page"] = "/body/DocFragment[9]/body/p[6]/text().0",
            ["pos0"] = "/body/DocFragment[9]/body/p[6]/text().0",
            ["pos1"] = "/body/DocFragment[9]/body/p[6]/text().9",
            ["text"] = "A second passage.",
        },
    },
    ["doc_path"] = "/mnt/us/books/Harbour Lights.epub",
    ["doc_props"] = {
        ["authors"] = "Ida Quill",
        ["identifiers"] = "uuid:0b7d\
ISBN:978-1-4028-9462-6",
        ["title"] = "Harbour Lights",
    },
    ["partial_md5_checksum"] = "0123456789abcdef0123456789abcdef",
    ["percent_finished"] = 0.41,
    ["summary"] = { ["status"] = "reading" },
}
"""

KOREADER_OLD = r"""return {
    ["bookmarks"] = {
        [1] = {
            ["chapter"] = "Two",
            ["datetime"] = "2021-03-02 10:00:00",
            ["highlighted"] = true,
            ["notes"] = "The passage, which is called notes.",
            ["page"] = "/body/DocFragment[3]/body/p[1]/text().0",
            ["pos0"] = "/body/DocFragment[3]/body/p[1]/text().0",
            ["pos1"] = "/body/DocFragment[3]/body/p[1]/text().35",
            ["text"] = "What the reader wrote, which is called text.",
        },
        [2] = {
            ["datetime"] = "2021-03-02 09:00:00",
            ["highlighted"] = true,
            ["notes"] = "Marked, and nothing said.",
            ["page"] = "/body/DocFragment[2]/body/p[1]/text().0",
            ["pos0"] = "/body/DocFragment[2]/body/p[1]/text().0",
            ["pos1"] = "/body/DocFragment[2]/body/p[1]/text().24",
            ["text"] = "Page 7 Marked, and nothing said. @ 2021-03-02 09:00:00",
        },
        [3] = {
            ["datetime"] = "2021-03-01 09:00:00",
            ["notes"] = "in One",
            ["page"] = "/body/DocFragment[1]/body/p[1]/text().0",
        },
    },
    ["highlight"] = {
        [7] = {
            [1] = {
                ["chapter"] = "Two",
                ["datetime"] = "2021-03-02 10:00:00",
                ["drawer"] = "strikeout",
                ["pos0"] = "/body/DocFragment[3]/body/p[1]/text().0",
                ["pos1"] = "/body/DocFragment[3]/body/p[1]/text().35",
                ["text"] = "The passage, which is called notes.",
            },
        },
        [9] = {
            [1] = {
                ["datetime"] = "2013-03-02 10:00:00",
                ["pos0"] = "/body/DocFragment[4]/body/p[1]/text().0",
                ["pos1"] = "/body/DocFragment[4]/body/p[1]/text().30",
                ["text"] = "From before highlights had bookmarks.",
            },
        },
    },
    ["stats"] = { ["authors"] = "Ida Quill", ["title"] = "Older Lights" },
}
"""

END = "=========="


def clipping(header: str, text: str = "", title: str = "Harbour Lights (Quill, Ida)") -> str:
    """Return one clipping as a Kindle writes it."""
    return f"{title}\r\n{header}\r\n\r\n{text}\r\n{END}\r\n"


KINDLE = "\ufeff" + "".join(
    (
        clipping(
            "- Your Highlight on page 12 | location 180-182 | Added on Monday, 10 August 2026 14:03:07", "A passage."
        ),
        clipping("- Your Note on page 12 | location 182 | Added on Monday, 10 August 2026 14:03:30", "A thought."),
        clipping("- Your Bookmark on page 14 | location 201 | Added on Monday, 10 August 2026 14:05:00"),
        clipping(
            "- Ihre Markierung auf Seite 9 | bei Position 130-131 | Hinzugefügt am Dienstag, 11. August 2026 21:12:45",
            "Zwei Zeilen,\r\ndie zusammengehören.",
            "Das Wörterbuch der Nacht (Zweite Auflage) (Muster (Hg.), Ada)",
        ),
        clipping("- 您在位置 #42-43的标注 | 添加于 2026年8月11日星期二 下午2:30:45", "灯塔。", "夜航（林一）"),
    )
)

READWISE = (
    "Highlight,Book Title,Book Author,Amazon Book ID,Note,Color,Tags,Location Type,Location,Highlighted at,"
    "Document tags\n"
    '"A passage\nin two lines, with ""quotes"".",Harbour Lights,Ida Quill,B00X,A thought,blue,"sea, night",page,12,'
    "2026-08-10 14:03:07+00:00,novels\n"
    "Another one,Harbour Lights,Ida Quill,B00X,,,,location,180,2026-08-11 06:00:00+00:00,novels\n"
    ",Harbour Lights,Ida Quill,B00X,Of the whole book,,,,,2026-08-12 06:00:00+00:00,novels\n"
)

_BOOKMARK = """CREATE TABLE Bookmark (
    BookmarkID TEXT NOT NULL, VolumeID TEXT NOT NULL, ContentID TEXT NOT NULL, StartContainerPath TEXT NOT NULL,
    StartContainerChildIndex INTEGER NOT NULL, StartOffset INTEGER NOT NULL, EndContainerPath TEXT NOT NULL,
    EndContainerChildIndex INTEGER NOT NULL, EndOffset INTEGER NOT NULL, Text TEXT, Annotation TEXT,
    ExtraAnnotationData BLOB, DateCreated TEXT, ChapterProgress REAL NOT NULL DEFAULT 0,
    Hidden BOOL NOT NULL DEFAULT 0, Version TEXT, DateModified TEXT, Creator TEXT, UUID TEXT, UserID TEXT,
    SyncTime TEXT, Published BIT DEFAULT false, ContextString TEXT, Type TEXT, Color INTEGER DEFAULT 0,
    PRIMARY KEY (BookmarkID))"""
_CONTENT = """CREATE TABLE content (
    ContentID TEXT NOT NULL, ContentType TEXT NOT NULL, MimeType TEXT NOT NULL, BookID TEXT, BookTitle TEXT,
    Title TEXT COLLATE NOCASE, Attribution TEXT COLLATE NOCASE, VolumeIndex INTEGER, ISBN TEXT,
    PRIMARY KEY (ContentID))"""
VOLUME = "file:///mnt/onboard/Quill, Ida/Harbour Lights.epub"


def kobo(path: Path, *, old: bool = False, count: int = 0) -> Path:
    """Make a `KoboReader.sqlite`; an `old` one lacks the columns of newer firmware. `count` adds plain highlights."""
    bookmark = _BOOKMARK.replace(", Type TEXT, Color INTEGER DEFAULT 0", "") if old else _BOOKMARK
    chapter = f"{VOLUME}#(5)OEBPS/ch05.xhtml"
    place = ("OEBPS/ch05.xhtml#point(/1/4/2/1:0)", -99, 0, "OEBPS/ch05.xhtml#point(/1/4/2/1:10)", -99, 10)
    rows: list[tuple[object, ...]] = [
        ("b1", "A passage.", "A thought.", "2026-08-10T14:03:07.000", "2026-08-11T00:00:00Z", "false", "note", 2),
        ("b2", "Deleted on the device.", None, "2026-08-10T15:00:00.000", None, "true", "highlight", 0),
        ("b3", None, None, "2026-08-10T16:00:00.000", None, "false", "dogear", 0),
        ("b4", None, None, "2026-08-10T17:00:00.000", None, "false", "markup", 0),
    ]
    rows += [
        (f"n{n}", f"Passage {n}, of some length, as people mark them.", None, "2026-08-10T14:03:07.000", None, "false",
         "highlight", n % 4)
        for n in range(count)
    ]  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(bookmark)
        connection.execute(_CONTENT)
        connection.executemany(
            "INSERT INTO content VALUES (?, ?, 'application/epub+zip', ?, ?, ?, ?, ?, ?)",
            [
                (VOLUME, "6", None, None, "Harbour Lights", "Ida Quill", -1, "9781402894626"),
                (chapter, "9", VOLUME, "Harbour Lights", "OEBPS/ch05.xhtml", "Ida Quill", 5, None),
                (f"{chapter}-1", "899", VOLUME, "Harbour Lights", "Five: The Pier", None, 5, None),
                (f"{chapter}#x-2", "899", VOLUME, "Harbour Lights", "Elsewhere", None, 6, None),
            ],
        )
        columns = (
            "BookmarkID, VolumeID, ContentID, StartContainerPath, StartContainerChildIndex, StartOffset, "
            "EndContainerPath, EndContainerChildIndex, EndOffset, ChapterProgress, Text, Annotation, DateCreated, "
            "DateModified, Hidden"
        )
        columns += "" if old else ", Type, Color"
        for name, *values in rows[:1] if old else rows:
            given = (name, VOLUME, chapter, *place, 0.5, *values[: 5 if old else 7])
            connection.execute(f"INSERT INTO Bookmark ({columns}) VALUES ({', '.join('?' * len(given))})", given)
        connection.commit()
    return path


def read(reader: FormatReader, path: Path) -> tuple[list[Record], list[Skipped]]:
    """Return a file's records, and what was skipped."""
    return split(reader.read(path))


def split(items: Iterable[Item]) -> tuple[list[Record], list[Skipped]]:
    records: list[Record] = []
    skipped: list[Skipped] = []
    for item in items:
        skipped.append(item) if isinstance(item, Skipped) else records.append(item)
    return records, skipped
