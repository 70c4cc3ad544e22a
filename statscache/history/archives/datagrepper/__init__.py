"""The history that a datagrepper keeps."""
