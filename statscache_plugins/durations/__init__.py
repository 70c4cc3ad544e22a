"""How long things take that the bus tells the begin and the end of: builds, updates, pull requests, issues, composes.

What a message does not say is not counted: one without the number of a build, say, begins and ends nothing.
"""
