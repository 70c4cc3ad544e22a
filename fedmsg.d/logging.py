"""Log to standard error: warnings of everything, and what statscache does."""

config = {
    "logging": {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        # Of what the hub's libraries log at every start, this stops the lines that are known to be harmless.
        "filters": {"known": {"()": "statscache.bus.noise.KnownNoise"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["known"]}
        },
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {"statscache": {"level": "INFO"}},
    },
}
