"""The server: the same verbs over REST, server-sent events, WebSocket and MCP.

A face like the command line. Everything it can do is a verb of the table or a reading of what verbs keep; it adds who
may call (keys, tokens, roles, scopes), how much (rates, sizes), and how answers travel. Nothing imports it but the
command line, and only when a server is started. Needs the extra ``server``.
"""
