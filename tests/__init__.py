"""netsvc: tests. Run them with C{scripts/test}."""
