"""Workers that the small jobs of a namespace share: who gets one, who is next, how many there are."""
