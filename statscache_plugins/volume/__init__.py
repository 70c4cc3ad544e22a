"""The volume of messages: in all, and by what they are about."""
