"""Released tables: found, read against their schema, and written."""

from refsolve.io.find import find_table
from refsolve.io.table import Table
from refsolve.io.tables import read_table, read_tables
from refsolve.io.write import write_table

__all__ = ["Table", "find_table", "read_table", "read_tables", "write_table"]
