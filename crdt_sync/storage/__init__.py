"""The durable local state: update log, read model, migrations."""
