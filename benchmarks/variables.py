"""What the processes of a benchmark are told by the environment."""

#: After how many messages the consumer that does nothing writes the time, and into which file.
COUNT = "STATSCACHE_BENCHMARK_COUNT"
FILE = "STATSCACHE_BENCHMARK_FILE"
#: What it logs when the hub listens.
RUNNING = "nothing is running"
#: How many made-up counting plugins there are to be.
PLUGINS = "STATSCACHE_BENCHMARK_PLUGINS"
#: The URL of a database whose user may make others; without it there is a server of the benchmark's own.
URI = "STATSCACHE_BENCHMARK_URI"
#: The file with what the consumer is to write for each message that else does nothing.
STATEMENTS = "STATSCACHE_BENCHMARK_STATEMENTS"
