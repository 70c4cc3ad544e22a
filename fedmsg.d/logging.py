"""Warnings of all, and from statscache what it does, on standard error."""

config = {
    "logging": {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {"statscache": {"level": "INFO"}},
    },
}
