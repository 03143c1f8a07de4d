"""netsvc: tests. Run them with C{scripts/test}."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# No deadline, and no check of how long examples take to be made: on a busy machine any
# may take its time. scripts/test asks for fewer examples under trial, after as many as
# usual under pytest.
settings.register_profile(
    "netsvc",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("NETSVC_TEST_EXAMPLES") or 100),
)
settings.load_profile("netsvc")

# Whatever nohup or a shell's "&" starts ignores these, and so would the processes to
# which tests send them.
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
