"""
The times of following, in seconds, and how they fit together.

A follower in the process that commits is woken at once, and most often needs not read.
On its way to another process an event waits for up to three of these times: until the
watcher looks (SQLite) or the next announcement is sent (PostgreSQL), and then until its
follower may read again. Where nobody is busy that is about 10 ms. Where many append,
announcements and reads grow rarer in proportion to what they cost, so that followers
take a bounded part of the machine from those who write: the delay is then no more than
MAX_ANNOUNCEMENT_GAP or WATCH_INTERVAL, and MAX_READ_REST.

A lost notification costs the *poll_interval* of the feed, and nothing else.
"""

from __future__ import annotations

from typing import Final

# The watcher of an SQLite file: one look is a PRAGMA of about 10 us.
WATCH_INTERVAL: Final = 0.015
WATCHER_RETRY_PAUSE: Final = 0.25
# A look that was interrupted ends at once; a file system that hangs may keep it.
WATCHER_STOP_TIMEOUT: Final = 0.75
# The watcher may see a commit before the process that made it has published it. Given
# this long, that process hands the events over, and nobody reads.
OWN_COMMIT_GRACE: Final = 0.005

# Announcements on PostgreSQL: each is a transaction of its own, and all processes that
# announce queue up in the server to commit. So there is a gap between two, in
# proportion to how long sending one takes, and each tells all there is to tell.
ANNOUNCEMENT_GAPS_PER_SENDING: Final = 20
MIN_ANNOUNCEMENT_GAP: Final = 0.01
MAX_ANNOUNCEMENT_GAP: Final = 0.05
ANNOUNCEMENT_TIMEOUT: Final = 1.0

# The connection that listens for them.
LISTENER_PING_INTERVAL: Final = 30.0
LISTENER_TIMEOUT: Final = 5.0

# A follower's reads: one that could read each of many events by itself reads several at
# a time, with a rest in proportion to how long a read takes. A few in a row are free,
# so that what comes rarely comes at once. A few followers read at the same time, and
# leave the rest of the pool to those who write.
READ_RESTS_PER_READ: Final = 10
MIN_READ_REST: Final = 0.016
MAX_READ_REST: Final = 0.1
FREE_READS: Final = 4
MAX_CONCURRENT_READS: Final = 4

# How soon to look again for events that an open transaction holds up: nothing tells
# when it ends. The pause grows with each look.
MIN_HELD_PAUSE: Final = 0.002
MAX_HELD_PAUSE: Final = 0.1

# The look for lost notifications, however often changes of sessions ask for it.
MIN_POLL_INTERVAL: Final = 0.05

# The same where followers read from standbys, where nothing else notifies of what other
# processes write.
STANDBY_POLL_INTERVAL: Final = 0.25

# How often to look for those who wait in get_events(), whom nothing else notifies of
# what other processes write.
WAIT_POLL_INTERVAL: Final = 0.25
