"""Foreign formats: one module each, import and export."""
