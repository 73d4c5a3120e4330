"""Released tables: found, read against their schema, and written."""

from refsolve.io.tables import Table, find_table, read_table, read_tables
from refsolve.io.write import write_table

__all__ = ["Table", "find_table", "read_table", "read_tables", "write_table"]
