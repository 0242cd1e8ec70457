"""From camera topics to pictures: subscriptions that fit their publishers, and decoding."""
