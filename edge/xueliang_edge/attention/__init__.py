"""Attention: which camera is looked at next and how closely, what each one really gets, and what is given up first."""
