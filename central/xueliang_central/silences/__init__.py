"""Silences, maintenance windows and known events: who made them, what they hold back, which ones are proposed."""
