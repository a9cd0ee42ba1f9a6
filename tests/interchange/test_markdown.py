"""Markdown that a person writes in too: between our blocks nothing of theirs changes, inside nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync import foreign
from crdt_sync.document import AddHighlight, AddNote, Anchor, EditHighlight, Highlight, Purge, Restore, Trash
from crdt_sync.errors import StorageError, UnreadableFile
from crdt_sync.interchange.markdown import READER, found_in
from crdt_sync.interchange.markdown_blocks import Block, join, parse
from crdt_sync.storage.store import LibraryStore
from tests.interchange.shelves import items, library, texts
from tests.interchange.test_round_trips import take


def verse(item_id: str, source: str, comment: str = "") -> AddHighlight:
    return AddHighlight(Anchor.verse(source, work="KJV", quote=f"words of {source}"), comment=comment, id=item_id)


ONE, TWO = verse("one", "Gen.1.1", "first"), verse("two", "Gen.1.3")


def export(store: LibraryStore, vault: Path) -> foreign.Written:
    return foreign.save_folder(foreign.entries(store), vault)


def own_words(text: str) -> list[str]:
    """Return a file without our blocks and our own line; a block of an id that no library has is a person's."""
    parts = [part for part in parse(text) if isinstance(part, str) or part.id == "x"]
    return [line for line in join(parts).split("\n") if "crdt-sync-file" not in line]


@settings(max_examples=100, deadline=None)
@given(st.lists(texts | st.sampled_from(["<!-- crdt-sync x 0123456789abcdef {} -->", "<!-- /crdt-sync -->", ""])))
def test_a_file_is_put_together_again_to_the_letter(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert join(parse(text)) == text


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_second_export_renews_our_blocks_and_keeps_a_person_s_words_to_the_letter(data: st.DataObject) -> None:
    with library(ONE, TWO) as (store, folder):
        vault = folder / "vault"
        export(store, vault)
        (file,) = vault.iterdir()
        parts = parse(file.read_text())
        words: list[str] = []
        written: list[str] = []
        for part in parts:
            if isinstance(part, Block):
                words = data.draw(st.lists(texts, max_size=2))
                written += [*words, *part.lines]
            else:
                written.append(part)
        text = "\n".join([*written, data.draw(st.just("") | texts)])
        file.write_bytes(text.encode())
        mine = own_words(text)
        store.edit(EditHighlight("one", comment="second"), verse("mid", "Gen.1.2"), verse("last", "Gen.2.1"))
        report = export(store, vault)
        after = file.read_bytes().decode()
        assert not report.skipped
        assert [line for line in own_words(after) if line] == [line for line in mine if line]
        assert "second" in after
        ours = [part.id for part in parse(after) if isinstance(part, Block) and part.id != "x"]
        assert ours == ["one", "mid", "two", "last"]
        assert export(store, vault).files == ()  # and a third writes nothing
        store.edit(Trash("mid"), Purge("last"))
        export(store, vault)
        assert [line for line in own_words(file.read_bytes().decode()) if line] == [line for line in mine if line]


def test_what_a_person_changed_in_a_block_is_not_written_over_and_comes_in(tmp_path: Path) -> None:
    with library(ONE, TWO) as (store, _):
        export(store, tmp_path)
        file = tmp_path / "KJV.md"
        theirs = file.read_text().replace("\nfirst\n", "\nfirst, by hand\n\nand more\n")
        file.write_text(theirs.replace("^two\n", "^two\ntags:: #new\n"))
        before = file.read_text()
        store.edit(EditHighlight("two", color="green"))  # nothing that the block shows
        written = export(store, tmp_path)
        assert len(written.skipped) == 2
        assert written.skipped[0].where == "KJV.md: line 9"
        assert "first, by hand" in file.read_text()

        report = take(store, tmp_path)
        assert set(report.changed) == {"one", "two"}
        found = items(store)
        assert isinstance(found["one"], Highlight)
        assert (found["one"].comment, found["two"].tags) == ("first, by hand\n\nand more", ("new",))
        assert not export(store, tmp_path).skipped
        assert take(store, tmp_path).changed == ()
        assert own_words(file.read_text()) == own_words(before)


def test_changed_here_and_there_stays_in_both_and_is_told(tmp_path: Path) -> None:
    with library(ONE, TWO) as (store, _):
        export(store, tmp_path)
        file = tmp_path / "KJV.md"
        file.write_text(file.read_text().replace("\nfirst\n", "\nby hand\n"))
        store.edit(EditHighlight("one", comment="in the library"))
        text = file.read_text()
        assert [each.where for each in export(store, tmp_path).skipped] == ["KJV.md: line 9"]
        assert file.read_text().count("by hand") == text.count("by hand") == 1
        report = take(store, tmp_path)
        assert report.changed == ()
        assert "changed here and in the library" in report.skipped[0].reason
        found = items(store)["one"]
        assert isinstance(found, Highlight)
        assert found.comment == "in the library"


def test_a_quote_and_a_note_are_not_changed_from_there(tmp_path: Path) -> None:
    with library(ONE, AddNote("of it", "T", "one", id="n")) as (store, _):
        export(store, tmp_path)
        file = tmp_path / "KJV.md"
        file.write_text(file.read_text().replace("words of Gen.1.1", "other words").replace("\nof it\n", "\nof them\n"))
        before = items(store)
        report = take(store, tmp_path)
        assert [each.where for each in report.skipped] == ["KJV.md: line 9", "KJV.md: line 15"]
        assert items(store) == before


def test_a_block_that_was_taken_out_stays_out_and_one_in_the_trash_goes_and_comes_back(tmp_path: Path) -> None:
    with library(ONE, TWO) as (store, _):
        export(store, tmp_path)
        file = tmp_path / "KJV.md"
        parts = [part for part in parse(file.read_text()) if not (isinstance(part, Block) and part.id == "one")]
        file.write_text(join(parts))
        written = export(store, tmp_path)
        assert [each.where for each in written.skipped] == ["one"]
        assert "words of Gen.1.1" not in file.read_text()
        assert items(store).keys() == {"one", "two"}  # it is the file's block that was taken out, and no more
        store.edit(Trash("two"))
        export(store, tmp_path)
        assert "words of Gen.1.3" not in file.read_text()
        store.edit(Restore("two"))
        assert export(store, tmp_path).files != ()
        assert "words of Gen.1.3" in file.read_text()


def test_a_file_may_be_renamed_moved_and_have_windows_line_ends(tmp_path: Path) -> None:
    with library(ONE) as (store, _):
        export(store, tmp_path)
        (tmp_path / "books").mkdir()
        moved = (tmp_path / "KJV.md").rename(tmp_path / "books" / "My Bible.md")
        moved.write_bytes(moved.read_bytes().replace(b"\n", b"\r\n") + b"mine\r\n")
        store.edit(TWO, EditHighlight("one", comment="second"))
        assert export(store, tmp_path).files == (moved,)
        after = moved.read_bytes()
        assert after.count(b"\n") == after.count(b"\r\n")
        assert after.endswith(b"mine\r\n")
        assert b"second" in after
        assert not take(store, tmp_path).changed


def test_names_of_files_stay_inside_and_next_to_a_person_s_own(tmp_path: Path) -> None:
    titles = ["../../etc/passwd", "CON", "a/b:c", "A/B:C", "...", "Mine", "x" * 300]
    marks = [
        AddHighlight(Anchor(work={"id": f"w{number}", "title": title}, source="c"), id=f"h{number}")
        for number, title in enumerate(titles)
    ]
    (tmp_path / "Mine.md").write_text("my own")
    with library(*marks, AddNote("free", id="n")) as (store, _):
        written = export(store, tmp_path)
        assert len(written.files) == len(titles) + 1
        assert {path.parent for path in written.files} == {tmp_path}
        assert len({path.name.casefold() for path in written.files}) == len(written.files)
        assert (tmp_path / "Mine.md").read_text() == "my own"
        assert (tmp_path / "Notes.md").exists()
        assert not (tmp_path / "CON.md").exists()
        assert export(store, tmp_path).files == ()


def test_a_file_in_the_place_of_the_folder_and_a_folder_of_others_notes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with library(ONE) as (store, _), pytest.raises(StorageError, match="goes into a folder"):
        export(store, tmp_path / "file")
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "own.md").write_text("# my own")
    with pytest.raises(UnreadableFile, match="no Markdown that crdt-sync wrote"):
        list(found_in(tmp_path))
    assert not READER.recognises(tmp_path, b"")
    with library(ONE) as (store, _):
        written = export(store, tmp_path)
        assert [each.where for each in written.skipped] == ["latin.md"]
        assert (tmp_path / "latin.md").read_bytes() == b"\xff\xfe\xff"


def test_many_broken_blocks_take_no_more_time_than_their_lines() -> None:
    head = '<!-- crdt-sync x 0123456789abcdef {"a": 1} -->\n'
    text = head * 50_000 + "<!-- /crdt-sync -->"
    assert len(parse(text)) == 50_000
