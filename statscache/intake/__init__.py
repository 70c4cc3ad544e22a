"""The one way in: messages become what plugins have to write."""
