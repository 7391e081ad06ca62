"""What runs inside a plain pod of the worker's image, as a user without this project would write it."""
