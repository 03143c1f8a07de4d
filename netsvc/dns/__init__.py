"""DNS lookups that cannot be fooled: messages, transports, the resolver."""
