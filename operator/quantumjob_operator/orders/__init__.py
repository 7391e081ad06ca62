"""The order endpoint: who asks is proven, what they get is presigned URLs of just their own objects."""
