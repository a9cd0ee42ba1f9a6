"""Connections: how a library and its relay meet, part, and meet again."""
