"""What would rid a rule of its false alarms, and what it would cost: settings, zones and hours tried on judged alerts.

Invariants
    - Nothing applies itself: what comes out is a list to read, each with the lines that would stand in the settings.
    - Found on some days and checked on others. What the days of the search say alone is never shown without the rest.
      True alerts speak against a change on whichever day they were, also those that a little more of it would lose.
    - Each proposal is judged by going through the log with it, as every back-test; nothing is estimated.
    - A true alert that a proposal would lose is named, not counted only.
"""
