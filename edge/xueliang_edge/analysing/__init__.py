"""Rules tried on a recording: the node's own main path over one file, on the file's own clock, telling nobody.

Invariants
    - What judges here is what judges live (`pipeline.py` and everything below it); this package only drives it, looks
      on, and draws. No broker, no spool, no evidence store, no observation log, nothing of `data_dir` read or written.
    - No picture leaves it but through the masking of stills: people and unexplained movement filled solid, privacy
      zones on top; what cannot be masked is a blank slide that says why.
    - Files appear whole, all together, or not at all.
"""
