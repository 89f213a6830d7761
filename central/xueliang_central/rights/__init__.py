"""Who may do what, and where: roles, areas, sessions, and what each route demands."""
