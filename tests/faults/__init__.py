"""
The table of faults: what netsvc must stand, and what it was seen to stand.

C{scripts/test faults} runs the rows that take less than a minute together, and
C{scripts/test soak} all of them; each prints its figures. The tests themselves stand
beside the others of their service, but for the long ones in L{tests.faults.soak}.
"""
