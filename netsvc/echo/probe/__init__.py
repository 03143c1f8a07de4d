"""The probe behind C{netsvc ping}: schedule, wire format, statistics, report."""
