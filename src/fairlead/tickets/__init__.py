"""Tickets: what is to be done in a repository, kept as files in the same history as the code it is about.

Owns the files, the index that follows them, merging, claims, planning, and exchange with other trackers. Rooms above
enter through :class:`~fairlead.tickets.service.TicketService`. Nothing is imported here: every ticket command is a
process of its own.
"""
