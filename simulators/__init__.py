"""A plant to practise on; nothing imports it."""
