"""What people do on pagure.io."""
