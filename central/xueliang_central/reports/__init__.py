"""Reports: roll-ups of what happened, what is read from them, and the ledger of incidents."""
