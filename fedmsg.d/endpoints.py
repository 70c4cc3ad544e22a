"""The sockets that the hub reads from."""

config = {
    "endpoints": {
        "statscache.localhost": ["tcp://127.0.0.1:9940"],
    },
}
