"""C{netsvc chat}: the terminal client of the line frontend."""
