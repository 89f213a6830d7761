"""The database: tables' common ground, transactions, leases, the order of events."""
