"""A small desktop reader on `crdt_sync.blocking` and PySide6: read, highlight in colours, and stay in step.

    python -m docs.examples.desktop_reader [--library FILE] [--relay URL --room NAME] [--name YOURS] [TEXT]

`passages` knows no Qt, `shelf` is the only module that knows the library, `page` and `panel` show, and
`window` puts them together.
"""
