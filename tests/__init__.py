"""netsvc: tests. Run them with C{scripts/test}."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: on a busy machine any example may take its time. scripts/test asks for
# fewer examples under trial, after as many as usual under pytest.
settings.register_profile(
    "netsvc",
    deadline=None,
    max_examples=int(os.environ.get("NETSVC_TEST_EXAMPLES") or 100),
)
settings.load_profile("netsvc")
