"""The page: what is counted, for people, whole without JavaScript and better with it."""
