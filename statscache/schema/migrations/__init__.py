"""Upgrades of statscache's own tables: a tree of revisions, what a start does of them, and what waits for a command.

1. Whatever is there, a table that is missing is made from its model, which is the form of now.
2. A revision changes a table that is there from an earlier form. It can be applied twice, and to the form of now.
3. One that expands is quick, and earlier versions count on beside it. A start applies it.
4. One that fills takes as long as it takes, while everybody counts. It can be killed anywhere and begun again.
5. One that contracts takes the old form away, when no daemon runs any more that needs it.
6. None of them holds a lock for longer than 2 seconds that keeps others from writing to a table.
"""
