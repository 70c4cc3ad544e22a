"""The process that consumes queues of RabbitMQ: its door to the service, as the consumer is that of fedmsg-hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor

from statscache.bus.amqp.bus import AmqpBus
from statscache.bus.amqp.configuration import check_keeping, read_configuration
from statscache.errors import Unusable
from statscache.service import Service
from statscache.settings import read_setting

log = logging.getLogger(__name__)


def run(config: Mapping[str, Any]) -> None:
    """Count until told to end.

    :raises Unusable: if it cannot start, also because the broker does not let it consume
    """
    configuration = read_configuration(read_setting(config, "statscache.amqp.config"))
    queues = configuration.only(read_setting(config, "statscache.amqp.queues"))
    keeps = not read_setting(config, "statscache.amqp.bounded")
    if keeps:
        check_keeping(queues)
    service = Service(config)
    prefetch = read_setting(config, "statscache.amqp.prefetch")
    bus = AmqpBus(reactor, configuration, queues, prefetch, service, keeps)
    log.info("AMQP: %s", configuration.source)
    service.open(config, bus)
    reactor.callWhenRunning(service.begin)
    reactor.addSystemEventTrigger("after", "shutdown", service.finish)
    reactor.run(installSignalHandlers=False)
    if bus.refusal:
        raise Unusable(f"{bus.refusal}: correct {configuration.source}")
