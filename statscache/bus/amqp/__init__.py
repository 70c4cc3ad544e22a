"""The bus on which RabbitMQ brings messages, as fedora-messaging publishes them."""
