"""The relay: an ASGI application that keeps rooms of Yjs documents."""
