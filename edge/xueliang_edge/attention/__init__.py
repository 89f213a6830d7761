"""Attention: which camera is looked at next, and what each one really gets."""
