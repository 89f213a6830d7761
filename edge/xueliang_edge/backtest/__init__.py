"""A draft of a rule over the observation log: what it would have raised, and for how long the log cannot say.

Invariants
    - The rules that judge here are the live ones. What is quick is only leaving out looks at which they would have said
      nothing and kept nothing (`skipping.py`); a property test compares every hazard with going look by look.
    - What the log does not hold is unknown, with its reason, and never counted as "no alert" (`answering.py`).
    - Draft and running version are judged the same way over the same looks, both without a memory at the begin: what
      differs is the rule's doing.
    - Nothing is written, and a node that runs on the same folder is not disturbed.
"""
