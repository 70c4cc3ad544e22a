"""A first look: a hub of its own on made-up traffic."""
