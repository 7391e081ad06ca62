"""The routes of the REST service: parameters, rights, and calls of the packages below. No decisions."""
