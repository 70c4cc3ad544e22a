"""What a hub must know about the bus. A machine that has /etc/fedmsg.d has these settings there already."""

config = {
    "topic_prefix": "org.fedoraproject",
    "environment": "dev",
    "zmq_enabled": True,
    # True wherever messages come from machines that are not your own.
    "validate_signatures": False,
}
