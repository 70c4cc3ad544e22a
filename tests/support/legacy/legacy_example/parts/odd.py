from legacy_example.parts import even


class Plugin(even.Plugin):
    name = "legacy front, odd"
    summary = "odd messages"
    description = "messages with an odd number"
    rest = 1
