"""What a hub needs to know of the bus. On a machine that has /etc/fedmsg.d, that says it already."""

config = {
    "topic_prefix": "org.fedoraproject",
    "environment": "dev",
    "zmq_enabled": True,
    # True wherever messages come from machines that are not your own.
    "validate_signatures": False,
}
