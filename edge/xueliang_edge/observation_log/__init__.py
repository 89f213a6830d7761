"""What each camera showed, kept for days, so that rules can be tried on it again: numbers only, no pictures.

Invariants
    - Rules judge an observation as the log encodes it (`encoding.as_logged`), whether or not it reaches the disk.
    - What is missing is a gap, and a gap is unknown, never "nothing there": every look of a camera has a number in its
      run, so it shows whatever the reason (reading.py).
    - The main path never waits for the disk. It hands looks to a thread by a queue with a bound; when that is full the
      look is dropped, counted, and a gap (writing.py).
    - Oldest files go first, by age or by size, never a newer one before an older one. A clock that is, or within the
      last day was, more than a day ahead of the look before removes nothing by age (files.py).

What a crash may cost
    - The node is killed (SIGKILL, out of memory): what was looked at in the last two to three seconds.
    - The power fails: up to half a minute more, what the system had not put on the disk yet.
    - A torn or damaged file: its damaged blocks, or of a journal what follows in the same half hour and builds on the
      damaged frame. Everything before it is read.
    The log is not the alert spool: no alert depends on it, and on a full disk it gives way. A disk that refuses for any
    other reason takes nothing that is there.
"""
