"""Pure functions over Kubernetes objects: validation, status, job templates, placement, cost estimate. No I/O."""
