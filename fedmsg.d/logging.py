"""Log to standard error: warnings of everything, and what statscache does."""

config = {
    "logging": {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {"statscache": {"level": "INFO"}},
    },
}
