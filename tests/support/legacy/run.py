"""Runs a daemon without a bus on the plugins that are installed, with flushes that fail.

usage: run.py DATABASE_URL MESSAGES_FILE
"""

import json
import logging
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import create_engine, text

from statscache.daemon import open_daemon
from statscache.store import quarantine

BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def failing_transaction(daemon, engine):
    """Flush, and cut the flush's connection while it waits for a lock in the middle of its transaction."""
    failed = []

    def flush():
        try:
            daemon.flusher.flush()
        except Exception as error:
            failed.append(error)

    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE data_volume_by_category_1d IN ACCESS EXCLUSIVE MODE"))
        thread = threading.Thread(target=flush)
        thread.start()
        with engine.connect() as killer:
            while (pid := killer.scalar(text(BLOCKED))) is None:
                killer.rollback()
                time.sleep(0.02)
            killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        thread.join()
    assert failed, "the transaction should have failed"


def rename(engine, before, after):
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


def retry_all(daemon):
    with daemon.engine.connect() as connection:
        rows = [(row.plugin, row.msg_id) for row in quarantine.find(connection)]
    for plugin in {plugin for plugin, _ in rows}:
        daemon.app.retry(plugin, [msg_id for other, msg_id in rows if other == plugin])


def main(url, file):
    logging.basicConfig(level=logging.INFO)
    messages = json.loads(Path(file).read_text())
    engine = create_engine(url)
    daemon = open_daemon(
        {
            "statscache.sqlalchemy.uri": url,
            "statscache.plugins.enabled": ["volume_by_topic"],
            "statscache.spool.directory": str(Path(file).with_name("spool")),
        }
    )
    third = len(messages) // 3
    for message in messages[:third]:
        daemon.intake.accept(message)
    daemon.flusher.flush()
    daemon.flusher.flush()
    for message in messages[third : 2 * third]:
        daemon.intake.accept(message)
    rename(engine, "legacy_volume_1m", "elsewhere")
    rename(engine, "legacy_latest", "elsewhere_too")
    daemon.flusher.flush()
    daemon.flusher.flush()
    rename(engine, "elsewhere", "legacy_volume_1m")
    rename(engine, "elsewhere_too", "legacy_latest")
    for message in messages[2 * third :]:
        daemon.intake.accept(message)
    failing_transaction(daemon, engine)
    failing_transaction(daemon, engine)
    daemon.flusher.flush()
    daemon.flusher.flush()
    retry_all(daemon)
    daemon.engine.dispose()


main(*sys.argv[1:])
