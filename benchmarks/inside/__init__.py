"""Code that runs in a plain pod of the worker's image, as a user would write it without this project."""
